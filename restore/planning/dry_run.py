"""A dry run: a method walks its schedule on a small picture, with a prior that costs nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from restore.engine import reverse
from restore.errors import RestoreError
from restore.guidance import Guidance
from restore.operators import Identity, Mask
from restore.planning.activation_memory import Live
from restore.priors.prior import Prior
from restore.priors.view import PriorView
from restore.problem import Problem
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler
from restore.tiling.regions import crop

SIDE = 32  # Pixels, of the picture that stands for the real one.
SMALLER = 8  # The same, for first estimates alone: solvers take many small steps there.
# What the process takes for an initial estimate, over the bytes of its tensors: of many tensors below 32 MB glibc keeps what is
# freed. Colour hints at 1024 pixels a side took 1.85 times theirs.
KEPT = 1.85
UNKNOWN = 6.0  # Pictures held by a method that cannot be tried here.


@dataclass(frozen=True)
class DryRun:
    """What a method does with the prior.

    Attributes:
        levels: noise levels at which it evaluates the prior, in order.
        pictures: that it evaluates at each of them, per sample.
        gradients: how often it takes a gradient through an answer.
        held: the most bytes of tensors that it holds at once, y apart, per byte of one sample's picture.
    """

    levels: tuple[float, ...]
    pictures: tuple[int, ...]
    gradients: int
    held: float


def dry_run(problem: Problem, prior: Prior, guidance: Guidance, sampler: Sampler, schedule: Tensor) -> DryRun:
    """Counts what a method evaluates, and the memory it holds beside the network.

    What a method evaluates depends on its schedule, not on the picture, so counts are exact, but for solvers that may stop
    early, as those of MMPS and TDS. The operator is replaced by one of the same kind that fits the small picture. Where the
    method refuses that one, an evaluation a transition is taken for granted.
    """
    listener = Listener(prior)
    steps = len(schedule) - 1
    try:
        small = _stand_in(problem, listener, schedule, SIDE)
        _walk(small, listener, guidance, sampler, schedule)
        levels, pictures, gradients = tuple(listener.levels_asked), tuple(listener.pictures), listener.gradients
        with Live() as live:
            _walk(small, listener, guidance, sampler, beginning(schedule))
    except RestoreError:
        return DryRun(tuple(schedule[:-1].tolist()), (1,) * steps, 0, UNKNOWN)
    held = live.peak / (listener.channels * SIDE**2 * 4)
    if needs_initial_estimate(problem, prior, schedule):
        held = max(held, _held_by_initial_estimate(problem))
    return DryRun(levels, pictures, gradients, held)


def needs_initial_estimate(problem: Problem, prior: Prior, schedule: Tensor) -> bool:
    """Whether a run begins around an estimate that is still to be made.

    A run that begins below the prior's highest level begins there (Chung et al. 2022, 2112.05146, theorem 1: what the estimate
    gets wrong is forgotten while sigma falls, faster than it would be from pure noise).
    """
    return problem.start is None and bool(schedule[0] < 0.999 * prior.sigma_max)


def beginning(schedule: Tensor) -> Tensor:
    """Two transitions, the first and one to 0: as much of a schedule as shows what its steps cost."""
    return torch.cat([schedule[:2], schedule[-1:]]) if len(schedule) > 2 else schedule


class Listener(PriorView):
    """Answers at once, without the prior, and keeps what it was asked."""

    def __init__(self, prior: Prior) -> None:
        super().__init__(prior)
        self.multiple_of = 1
        self.levels_asked: list[float] = []
        self.pictures: list[int] = []
        self.gradients = 0

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.levels_asked.append(float(sigma[0]))
        self.pictures.append(len(x))
        answer = x / (1 + sigma[:, None, None, None] ** 2)
        if answer.requires_grad:
            answer.register_hook(self._pulled)
        return answer

    def _pulled(self, gradient: Tensor) -> None:
        self.gradients += 1


@torch.no_grad()
def _walk(problem: Problem, prior: Prior, guidance: Guidance, sampler: Sampler, schedule: Tensor) -> None:
    for _ in reverse(problem, guidance.wrap_prior(prior), guidance, sampler, schedule, Noise([0])):
        pass


def _stand_in(problem: Problem, prior: Prior, schedule: Tensor, side: int) -> Problem:
    """A problem of the same kind on an empty picture: nothing lost, or half of it."""
    shape = (1, prior.channels, side, side)
    begins_near = problem.start is not None or needs_initial_estimate(problem, prior, schedule)
    kept = torch.ones(1, 1, side, side, dtype=torch.bool)
    kept[..., : side // 2] = False
    return Problem(
        y=torch.zeros(shape),
        operator=Identity() if isinstance(problem.operator, Identity) else Mask(kept),
        sigma_y=problem.sigma_y,
        shape=shape,
        start=torch.zeros(shape) if begins_near else None,
    )


@torch.no_grad()
def _held_by_initial_estimate(problem: Problem) -> float:
    """Pictures' bytes, of a small part of the problem; 0 where the operator cannot be cropped, and its estimate is cheap."""
    channels, height, width = problem.shape[1:]
    box = (0, min(height, SMALLER), 0, min(width, SMALLER))
    operator, y = problem.operator.crop(box), crop(problem.y, box)
    if operator is None:
        return 0.0
    if isinstance(operator, Mask):
        # Channels are filled one after the other, so that only the answers add up; half of the part stands for a hole.
        kept = torch.ones(1, 1, *y.shape[-2:], dtype=torch.bool)
        kept[..., : y.shape[-1] // 2] = False
        operator, y = Mask(kept), y[:, :1]
    with Live() as live:
        operator.initial_estimate(y)
    planes = live.peak / (y.shape[-2] * y.shape[-1] * 4)
    if isinstance(operator, Mask):
        return (planes + channels - 1) / channels
    return KEPT * planes / channels
