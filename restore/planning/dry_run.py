"""A run walked through on a stamp of a picture with a prior that costs nothing: what it asks, and what it holds."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restore.engine import reverse
from restore.errors import RestoreError
from restore.guidance.guidance import Guidance
from restore.operators import Identity, Mask
from restore.planning.activation_memory import Live
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler

SIDE = 32


@dataclass(frozen=True)
class Rehearsal:
    """What a method does with the prior.

    Attributes:
        levels: at which it is asked, in order.
        pictures: that go through at each of them, per sample.
        gradients: how often one is taken through an answer.
        held: the most bytes in tensors of the run at once, y apart, per byte of one sample's picture.
    """

    levels: tuple[float, ...]
    pictures: tuple[int, ...]
    gradients: int
    held: float


def rehearse(
    problem: Problem, prior: Prior, method: Guidance, sampler: Sampler, schedule: Tensor, *, side: int = SIDE
) -> Rehearsal:
    """Walks a schedule. What a method asks follows from its schedule, not from the picture; a method whose solver may stop
    early, as MMPS's may, takes no more gradients in earnest than `iterations` allow, and here perhaps fewer.

    The operator is replaced by one of the same kind that fits a stamp. Where the method refuses it, one question a transition
    is taken for granted.

    Args:
        side: of the stamp in pixels.
    """
    listening = _Listening(prior)
    steps = len(schedule) - 1
    try:
        stamp = _stamp(problem, listening.channels, side)
        with torch.no_grad(), Live() as live:
            if stamp.start is None and schedule[0] < 0.999 * prior.sigma_max:
                stamp = replace(stamp, start=stamp.operator.initial_estimate(stamp.y))  # As `solve` has it.
            for _ in reverse(stamp, method.wrap_prior(listening), method, sampler, schedule, Noise([0])):
                pass
    except RestoreError:
        return Rehearsal(tuple(schedule[:-1].tolist()), (1,) * steps, 0, 6.0)
    size = listening.channels * side**2 * 4
    return Rehearsal(tuple(listening.levels_asked), tuple(listening.pictures), listening.gradients, live.peak / size)


def walked(problem: Problem, prior: Prior, method: Guidance, sampler: Sampler, schedule: Tensor, *, side: int = 512) -> float:
    """Seconds a pixel and transition that a method takes beside the prior, the faster of two short walks."""
    found = []
    for _ in range(2):
        before = time.perf_counter()
        rehearse(problem, prior, method, sampler, schedule, side=side)
        found.append(time.perf_counter() - before)
    return min(found) / ((len(schedule) - 1) * side**2)


def _stamp(problem: Problem, channels: int, side: int) -> Problem:
    shape = (1, channels, side, side)
    y = torch.zeros(shape)
    start = None if problem.start is None else torch.zeros(shape)
    if isinstance(problem.operator, Identity):
        return Problem(y=y, operator=Identity(), sigma_y=problem.sigma_y, shape=shape, start=start)
    keep = torch.ones(1, 1, side, side, dtype=torch.bool)
    keep[..., : side // 2] = False
    return Problem(y=y, operator=Mask(keep), sigma_y=problem.sigma_y, shape=shape, start=start)


class _Listening(Prior):
    """Answers at once, and remembers what it was asked."""

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.channels, self.context = prior.channels, prior.context
        self.sigma_min, self.sigma_max, self.levels = prior.sigma_min, prior.sigma_max, prior.levels
        self.sigma_start = prior.sigma_start
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
