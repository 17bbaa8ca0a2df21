"""A dry run: a method follows its schedule on a small picture, with a stand-in for the prior."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from restore.engine import reverse
from restore.errors import OperatorError, RestoreError
from restore.guidance import Guidance
from restore.operators import Mask, Operator
from restore.operators.constraint import Constraint
from restore.planning.coding import Coded, counted, counting
from restore.planning.held import SIDE, UNKNOWN, held_by_initial_estimate, held_while
from restore.priors.latent.decoded import Decoded
from restore.priors.prior import Prior
from restore.priors.view import PriorView
from restore.problem import Problem
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler

FLOOR = 256**2  # Pixels of a picture up to which its memory hardly shows beside the process's own.


@dataclass(frozen=True)
class Asked:
    """One evaluation of the prior in a dry run.

    Attributes:
        level: sigma.
        pictures: evaluated together, per sample.
        share: their height and width, over those of the picture to restore.
    """

    level: float
    pictures: int
    share: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True)
class DryRun:
    """A method's use of the prior and of memory.

    Attributes:
        asked: its evaluations of the prior, in order.
        gradients: number of gradients through evaluations.
        held: peak memory of its tensors, without y, in units of one sample's picture.
        coarse: whether memory is taken from rules of thumb, because the picture is small, and not counted.
        coded: its use of the prior's codec.
    """

    asked: tuple[Asked, ...]
    gradients: int
    held: float
    coarse: bool = False
    coded: Coded = field(default_factory=Coded)

    @property
    def pictures(self) -> int:
        """The most pictures that are evaluated together, per sample."""
        return max((one.pictures for one in self.asked), default=1)


def dry_run(
    problem: Problem, prior: Prior, guidance: Guidance, sampler: Sampler, schedule: Tensor, *, floor: int = 0
) -> DryRun:
    """Counts a method's evaluations, and its memory apart from the network's.

    Evaluations depend on the schedule, not on the picture, so counts are exact, except for solvers that may stop early (MMPS
    and TDS). The problem is replaced by a small one of the same kind. If the method cannot use that, one evaluation per
    transition is assumed.

    Args:
        floor: pixels of a picture up to which the memory of methods without gradients is not counted: counting takes longer
            than short runs, and there is little to count.
    """
    listener = Listener(prior)
    coarse = problem.shape[-2] * problem.shape[-1] <= floor
    try:
        small = _stand_in(problem, listener, schedule)
        for _ in walk(small, listener, guidance, sampler, schedule):
            pass
        asked, gradients, coded = tuple(listener.asked), listener.gradients, counted(small.operator)
        if coarse and not gradients:
            return DryRun(asked, gradients, UNKNOWN, coarse=True, coded=coded)
        held = held_while(walk(small, listener, guidance, sampler, beginning(schedule)), small.shape)
    except RestoreError:
        return DryRun(tuple(map(Asked, schedule[:-1].tolist(), [1] * (len(schedule) - 1))), 0, UNKNOWN, coarse)
    if needs_initial_estimate(problem, prior, schedule):
        own = guidance.cost_to_begin(problem)
        own_held = 0.0 if own is None else own[1] / (4 * problem.shape[1] * problem.shape[-2] * problem.shape[-1])
        held = max(held, held_by_initial_estimate(problem)) + own_held
    return DryRun(asked, gradients, held, coded=coded)


def needs_initial_estimate(problem: Problem, prior: Prior, schedule: Tensor) -> bool:
    """Whether a run needs the operator's initial estimate: it starts below sigma_max, and the problem has no `start`.

    The estimate's errors are forgotten while sigma falls (Chung et al. 2022, 2112.05146, theorem 1).
    """
    return problem.start is None and bool(schedule[0] < 0.999 * prior.sigma_max)


def beginning(schedule: Tensor) -> Tensor:
    """The first transition of a schedule and one to 0, enough to see what its steps hold."""
    return torch.cat([schedule[:2], schedule[-1:]]) if len(schedule) > 2 else schedule


@torch.no_grad()
def walk(problem: Problem, prior: Prior, guidance: Guidance, sampler: Sampler, schedule: Tensor) -> Iterator[Tensor]:
    """The states of a run on a small problem."""
    yield from reverse(problem, guidance.wrap_prior(prior), guidance, sampler, schedule, Noise([0]))


class Listener(PriorView):
    """A stand-in for a prior, without its network, that records its evaluations of pictures of 32 pixels a side."""

    def __init__(self, prior: Prior) -> None:
        super().__init__(prior)
        self.multiple_of = 1
        self.asked: list[Asked] = []
        self.gradients = 0

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.asked.append(Asked(float(sigma[0]), len(x), (x.shape[-2] / SIDE, x.shape[-1] / SIDE)))
        answer = x / (1 + sigma[:, None, None, None] ** 2)
        if answer.requires_grad:
            answer.register_hook(self._pulled)
        return answer

    def _pulled(self, gradient: Tensor) -> None:
        self.gradients += 1


@dataclass(frozen=True)
class _Anywhere(Constraint):
    """The constraint that holds everywhere, in place of one that knows the picture's size."""

    instead_of_noise: bool

    def project(self, y: Tensor) -> Tensor:
        return y


def _stand_in(problem: Problem, prior: Prior, schedule: Tensor) -> Problem:
    """A small problem of the same kind with zeros for y; for operators that cannot be resized, a mask of half the picture.

    Of latents y is that of noise: methods that descend until y is explained shall not be done before they begin."""
    shape = (1, prior.channels, SIDE, SIDE)
    operator = _small(problem.operator)
    decoded = isinstance(operator, Decoded)
    y = operator(torch.randn(shape, generator=torch.Generator().manual_seed(0)) if decoded else torch.zeros(shape))
    small = Problem(y=y, operator=counting(operator), sigma_y=problem.sigma_y, shape=shape, clipped=problem.clipped)
    if problem.constraint is not None:
        small = replace(small, constraint=_Anywhere(problem.constraint.instead_of_noise))
    if problem.noise is not None and len(problem.noise.deviation) == prior.channels:
        small = replace(small, noise=problem.noise)
    begins_near = problem.start is not None or needs_initial_estimate(problem, prior, schedule)
    return replace(small, start=torch.zeros(shape)) if begins_near else small


def _small(operator: Operator) -> Operator:
    kept = torch.ones(1, 1, SIDE, SIDE, dtype=torch.bool)
    kept[..., : SIDE // 2] = False
    if isinstance(operator, Mask):
        return Mask(kept)
    try:
        return operator.resized((SIDE, SIDE)) or Mask(kept)
    except OperatorError:  # Such as a kernel that is too wide for few pixels.
        return Mask(kept)
