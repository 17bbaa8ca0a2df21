"""Pictures that a method holds in memory, apart from the network, counted on small ones."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from restore.operators import Mask
from restore.planning.activation_memory import Live
from restore.problem import Problem
from restore.tiling.regions import crop

SIDE = 32  # Side in pixels of the small picture.
SMALLER = 8  # The same for initial estimates, whose solvers take many small steps.
# What the process takes for an initial estimate, over the bytes of its tensors where y is 0 and solvers stop after one step,
# which holds three quarters of what later ones do. Of many tensors below 32 MB glibc keeps what is freed.
KEPT = 2.45
UNKNOWN = 6.0  # Pictures in memory that are assumed where they are not counted.


def held_while(work: Iterable[object], shape: tuple[int, ...]) -> float:
    """Peak memory of work on a picture (1, C, H, W), in units of the picture."""
    with Live() as live:
        for _ in work:
            pass
    return live.peak / (4 * shape[1] * shape[2] * shape[3])


@torch.no_grad()
def held_by_initial_estimate(problem: Problem) -> float:
    """Peak memory of the initial estimate, in units of the picture, from a small part of the problem with y = 0.

    0 if the operator cannot be cropped; such operators have cheap estimates.
    """
    channels, height, width = problem.shape[1:]
    box = (0, min(height, SMALLER), 0, min(width, SMALLER))
    operator, y = problem.operator.crop(box), torch.zeros_like(crop(problem.y, box))
    if operator is None:
        return 0.0
    if isinstance(operator, Mask):
        # Channels are filled one after the other, so only their results add up. Half of the part is a hole.
        kept = torch.ones(1, 1, *y.shape[-2:], dtype=torch.bool)
        kept[..., : y.shape[-1] // 2] = False
        operator, y = Mask(kept), y[:, :1]
    with Live() as live:
        operator.initial_estimate(y)
    planes = live.peak / (y.shape[-2] * y.shape[-1] * 4)
    if isinstance(operator, Mask):
        return (planes + channels - 1) / channels
    return KEPT * planes / channels
