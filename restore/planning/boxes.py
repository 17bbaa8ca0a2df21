"""Parts of a problem, and the prior that evaluates one in windows."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from restore.operators import Operator
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.tiling.layout import Box
from restore.tiling.regions import crop
from restore.tiling.tiled import LEAST, Tiled

# Pixels per evaluation of the network. On a CPU batches pay for small pictures only, whose activations fit into the cache.
CPU_PIXELS, GPU_PIXELS = 2**17, 2**21


def least_window(prior: Prior) -> int:
    """The side of the smallest window, in the prior's own space."""
    return max(LEAST, 4 * prior.multiple_of)


def together(pixels: int, device: torch.device) -> int:
    """The number of pictures or windows of this many pixels to evaluate at once."""
    return max(1, (CPU_PIXELS if device.type == "cpu" else GPU_PIXELS) // pixels)


def wanted_pixels(problem: Problem) -> Tensor | None:
    """Pixels to restore, bool (1, 1, H, W); None for all. With noise the known ones are also restored."""
    return problem.operator.missing_mask(problem.shape) if problem.sigma_y == 0 or problem.only_missing else None


def part_of(problem: Problem, box: Box) -> Problem:
    """The problem of one box alone; see `Operator.crop`."""
    top, bottom, left, right = box
    if (bottom - top, right - left) == tuple(problem.shape[-2:]):
        return problem
    operator: Operator | None = problem.operator.crop(box)
    constraint = None if problem.constraint is None else problem.constraint.crop(box)
    if operator is None or (constraint is None) != (problem.constraint is None):
        return problem
    shape = (*problem.shape[:2], bottom - top, right - left)
    start = None if problem.start is None else crop(problem.start, box)
    return replace(problem, y=crop(problem.y, box), operator=operator, constraint=constraint, shape=shape, start=start)


def view_of(prior: Prior, part: Problem, side: int | None, at_once: int, device: torch.device) -> Tiled:
    if side is None:
        # Priors pad their input before windows are cut, so a single window must cover the padding, too.
        blocks = -(-max(part.shape[-2:]) // prior.multiple_of)
        return Tiled(prior, window=blocks * prior.multiple_of, batch=at_once)
    return Tiled(
        prior, window=side, wanted=wanted_pixels(part), batch=min(at_once, together((side * prior.codec.factor) ** 2, device))
    )
