"""A dry run: a method follows its schedule on a small picture, with a stand-in for the prior."""

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

SIDE = 32  # Side in pixels of the small picture.
SMALLER = 8  # The same for initial estimates, whose solvers take many small steps.
# What the process takes for an initial estimate, over the bytes of its tensors: of many tensors below 32 MB glibc keeps what is
# freed. Colour hints at 1024 pixels a side took 1.85 times theirs.
KEPT = 1.85
UNKNOWN = 6.0  # Pictures in memory that are assumed for a method that does not run on the small problem.


@dataclass(frozen=True)
class DryRun:
    """A method's use of the prior and of memory.

    Attributes:
        levels: noise levels of its evaluations of the prior, in order.
        pictures: number of pictures in each evaluation, per sample.
        gradients: number of gradients through evaluations.
        held: peak memory of its tensors, without y, in units of one sample's picture.
    """

    levels: tuple[float, ...]
    pictures: tuple[int, ...]
    gradients: int
    held: float


def dry_run(problem: Problem, prior: Prior, guidance: Guidance, sampler: Sampler, schedule: Tensor) -> DryRun:
    """Counts a method's evaluations, and its memory apart from the network's.

    Evaluations depend on the schedule, not on the picture, so counts are exact, except for solvers that may stop early (MMPS
    and TDS). The operator is replaced by a mask or the identity on the small picture. If the method cannot use that, one
    evaluation per transition is assumed.
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
    """Whether a run needs the operator's initial estimate: it starts below sigma_max, and the problem has no `start`.

    The estimate's errors are forgotten while sigma falls (Chung et al. 2022, 2112.05146, theorem 1).
    """
    return problem.start is None and bool(schedule[0] < 0.999 * prior.sigma_max)


def beginning(schedule: Tensor) -> Tensor:
    """The first transition of a schedule and one to 0, enough to measure the cost of its steps."""
    return torch.cat([schedule[:2], schedule[-1:]]) if len(schedule) > 2 else schedule


class Listener(PriorView):
    """A stand-in for a prior, without its network, that records its evaluations."""

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
    """A small problem with zeros for y: denoising for an identity operator, else a mask of half the picture."""
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
    """Peak memory of the initial estimate, in units of the picture, from a small part of the problem.

    0 if the operator cannot be cropped; such operators have cheap estimates.
    """
    channels, height, width = problem.shape[1:]
    box = (0, min(height, SMALLER), 0, min(width, SMALLER))
    operator, y = problem.operator.crop(box), crop(problem.y, box)
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
