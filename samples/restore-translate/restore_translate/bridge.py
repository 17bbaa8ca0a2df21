"""From a picture to noise by one prior, and from the noise to a picture by another."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from restore import GrayView, Guidance, Noise, Prior, PriorError, Problem, Sampler, UsageError
from restore.guidance import Unconditional
from restore.sampling import samplers, schedules


@dataclass(frozen=True)
class Noised(Unconditional):
    """SDEdit from a given noise level.

    Attributes:
        level: sigma, in units of [-1, 1] pictures; UsageError where a prior was not trained for it.
    """

    steps: ClassVar[int] = 40
    fast: ClassVar[int] = 20
    best: ClassVar[int] = 80
    level: float = 1.0

    def schedule(self, prior: Prior, problem: Problem, steps: int) -> Tensor:
        _check(self.level, prior)
        return schedules.karras(self.level, prior.sigma_min, steps)


@dataclass(frozen=True)
class Bridge(Noised):
    """Dual diffusion implicit bridge: deterministic but for the solver's error, and its own inverse with the priors exchanged.

    Attributes:
        source: the prior of the picture's own domain.
        up: steps from the picture to noise.
    """

    level: float = 16.0
    source: Prior | None = None
    up: int = 40

    def start(self, problem: Problem, sigma: Tensor, noise: Noise) -> Tensor:
        assert self.source is not None
        assert problem.start is not None
        _check(float(sigma), self.source)
        x = problem.start.expand(problem.shape)
        source = self.source.to(x.device)
        if x.shape[1] == 1 and source.channels == 3:
            source = GrayView(source)
        if x.shape[1] != source.channels:
            raise PriorError(f"the source's pictures have {source.channels} channel(s), this one has {x.shape[1]}")
        return encode(source, x, float(sigma), self.up)

    def sampler(self) -> Sampler:
        return samplers.heun()


@torch.no_grad()
def encode(prior: Prior, x: Tensor, sigma: float, steps: int) -> Tensor:
    """The picture x at the noise level sigma, along dx = (x - D) / sigma dsigma by Heun's method (Karras et al. 2022).

    It starts at the prior's lowest level, which a clean picture is taken to have.
    """
    levels = schedules.karras(sigma, prior.sigma_min, steps + 1)[:-1].flip(0).to(x.device)
    for low, high in pairwise(levels):
        slope = (x - prior(x, low)) / low
        ahead = x + (high - low) * slope
        x = x + (high - low) * (slope + (ahead - prior(ahead, high)) / high) / 2
    return x


def bridge(source: Prior | None, level: float | None) -> Guidance:
    """The method for a source, and a level in grey levels."""
    if source is None:
        return Noised((level or 128.0) / 127.5)
    return Bridge((level or 2000.0) / 127.5, source=source)


def _check(level: float, prior: Prior) -> None:
    if not prior.sigma_min < level <= prior.sigma_max:
        low, high, asked = (f"{127.5 * sigma:.3g}" for sigma in (prior.sigma_min, prior.sigma_max, level))
        raise UsageError(f"level: a prior knows {low} to {high} grey levels, not {asked}")
