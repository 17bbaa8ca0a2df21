"""ReSample: hard data consistency by optimisation, then resampling (Song et al. 2024, 2307.08123, algorithm 1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from restore.guidance.guidance import POSITIVE, Ranges
from restore.guidance.latents import OnLatents
from restore.priors.latent.decoded import Decoded
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling import samplers
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler

ROUNDED = 1 / 255  # A residual of half a grey level explains y.


@dataclass(frozen=True)
class ReSample(OnLatents):
    """A DDIM step to z'; then z0(y), the latents near D(z) whose picture explains y, and z' is drawn between both (eq. 10):

        z'_t ~ N((g z0(y) sqrt(abar') + (1 - abar') z'_t) / (g + 1 - abar'), g (1 - abar') / (g + 1 - abar'))
        g = gamma (1 - abar') / abar (1 - abar / abar')

    in the paper's z'_t = z' sqrt(abar'), with abar = 1 / (1 + sigma^2) and abar' that of sigma_next. z0(y) is E(x) for
    x = argmin |y - A x|, from G(D), at levels above `late` (pixel optimisation), and argmin_z |y - A G(z)| from D below (latent
    optimisation). Both are Adam's, stopped where the residual is the noise's.

    The paper takes such a step every tenth of 500, of the last two thirds; here every `every`th level below `early`.

    Attributes:
        gamma: the paper's 40.
        every: levels from one consistency step to the next.
        early, late: noise levels below which there is data consistency, and below which it is optimised in latents.
        iterations: of the optimiser, at most.
        pixel_rate, latent_rate: its step sizes.
    """

    steps: ClassVar[int] = 50
    fast: ClassVar[int] = 20
    best: ClassVar[int] = 200
    takes_constraint: ClassVar[bool] = True
    differentiates: ClassVar[bool] = True
    ranges: ClassVar[Ranges] = {
        "gamma": (POSITIVE, math.inf),
        "every": (1, math.inf),
        "early": (0, math.inf),
        "late": (0, math.inf),
        "iterations": (1, math.inf),
        "pixel_rate": (POSITIVE, 1),
        "latent_rate": (POSITIVE, 1),
    }
    gamma: float = 40.0
    every: int = 1
    early: float = 5.0
    late: float = 1.0
    iterations: int = 50
    pixel_rate: float = 0.05
    latent_rate: float = 0.02

    def sampler(self) -> Sampler:
        return samplers.ddim(eta=0.0)

    def step(
        self,
        problem: Problem[Decoded],
        prior: Prior,
        sampler: Sampler,
        x: Tensor,
        sigma: Tensor,
        sigma_next: Tensor,
        noise: Noise,
    ) -> Tensor:
        z0 = prior(x, sigma)
        z_next = sampler(lambda at, level: z0 if at is x and level is sigma else prior(at, level), x, sigma, sigma_next, noise)
        if sigma >= self.early or (sigma_next > 0 and _number(sigma) % self.every):
            return z_next
        explained = self.consistent(problem, z0, in_latents=bool(sigma < self.late))
        if sigma_next == 0:
            return explained
        level = sigma_next**2 / (1 + sigma_next**2)  # 1 - abar'
        share = (1 + sigma**2) * level * (1 - (1 + sigma_next**2) / (1 + sigma**2))
        g = self.gamma * share
        mean = (g * explained + level * z_next) / (g + level)
        return mean + (g * level / (g + level) * (1 + sigma_next**2)).sqrt() * noise(x)

    def consistent(self, problem: Problem[Decoded], z0: Tensor, *, in_latents: bool) -> Tensor:
        """z0(y), (B, C, h, w)."""
        operator: Decoded = problem.operator

        def misfit(explained: Tensor) -> Tensor:
            return (problem.nearest(explained.detach()) - explained).square().flatten(1).mean(1)

        enough = max(problem.sigma_y, ROUNDED) ** 2
        if in_latents:
            return _descended(lambda z: misfit(operator(z)), z0, self.iterations, self.latent_rate, enough)
        decoded = operator.decode(z0)
        x = _descended(lambda x: misfit(operator.inside(x)), decoded, self.iterations, self.pixel_rate, enough)
        return z0 + operator.encode(x) - operator.encode(decoded)


def _number(sigma: Tensor) -> int:
    """A number that changes with the level, and is the same in every run."""
    return round(float(sigma.log()) * 16)


@torch.enable_grad()
def _descended(misfit: Callable[[Tensor], Tensor], start: Tensor, iterations: int, rate: float, enough: float) -> Tensor:
    """Adam's descent on a misfit (B,) from `start`; a picture that fits well enough stays where it is."""
    value = start.detach().clone().requires_grad_()
    adam = torch.optim.Adam([value], lr=rate)
    for _ in range(iterations):
        found = misfit(value)
        open_ = found.detach() > enough
        if not bool(open_.any()):
            break
        adam.zero_grad()
        (value.grad,) = torch.autograd.grad((found * open_).sum() * start[0].numel(), value)
        before = value.detach().clone()
        adam.step()
        with torch.no_grad():  # Adam's momentum would move finished pictures on.
            value.copy_(value.where(open_[:, None, None, None], before))
    return value.detach()
