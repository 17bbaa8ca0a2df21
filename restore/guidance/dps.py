"""DPS: a step down the gradient of the residual's norm (Chung et al. 2023, 2209.14687, algorithm 1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from restore.guidance.guidance import Guidance, Ranges
from restore.operators.krylov import dot
from restore.operators.operator import Operator
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler


@dataclass(frozen=True)
class DPS(Guidance):
    """x' <- sampler(D), then x' <- x' - zeta sqrt((1 + sigma^2)(1 + s'^2)) grad_x |y - A(D(x))| (algorithm 1, line 7).

    The norm is each picture's own. The root is the paper's step in sigma: with x = x_t / a_t and a_t = 1 / sqrt(1 + sigma^2),
    a gradient in x_t is one in x times sqrt(1 + sigma^2), and a move of x'_t is one of x' times sqrt(1 + s'^2). A zeta is
    tuned to one number of steps (the paper's 1000) and one scale of y, and does not carry over to others.

    Annealed, the likelihood is taken as N(y; A(D), sigma_y^2 + sigma^2) instead, and zeta multiplies its score:
    x0 <- D + zeta sigma^2 J'A'(y - A(D)) / (sigma_y^2 + sigma^2), for any sampler and number of steps.

    Attributes:
        zeta: the paper's 1 (0.3 to 1 over its tasks).
        annealed: the weight that falls with the level, in place of the norm's. False is the paper's method, which is 5 dB
            behind on photographs in a few hundred steps.
    """

    needs: ClassVar[type] = Operator
    steps: ClassVar[int] = 1000
    ranges: ClassVar[Ranges] = {"zeta": (0, math.inf)}
    zeta: float = 1.0
    annealed: bool = True

    def preset(self, quality: Literal["fast", "balanced", "best"]) -> tuple[Guidance, int]:
        # A zeta of the norm's rule belongs to one number of steps; the annealed weight to none.
        return self, {"fast": 20, "balanced": 100, "best": 200}[quality] if self.annealed else self.steps

    def step(
        self, problem: Problem, prior: Prior, sampler: Sampler, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise
    ) -> Tensor:
        if self.annealed:
            return sampler(lambda x, sigma: self._annealed(problem, prior, x, sigma), x, sigma, sigma_next, noise)
        # Once per step, at x; a sampler that asks elsewhere, too, does so without guidance.
        x0, residual, pull = _pulled(problem, prior, x, sigma)
        length = dot(residual, residual).sqrt()
        down = pull(residual / length.clamp_min(torch.finfo(x.dtype).tiny))
        x_next = sampler(lambda at, level: x0 if at is x and level is sigma else prior(at, level), x, sigma, sigma_next, noise)
        return x_next + self.zeta * ((1 + sigma**2) * (1 + sigma_next**2)).sqrt() * down

    def _annealed(self, problem: Problem, prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
        x0, residual, pull = _pulled(problem, prior, x, sigma)
        return x0 + self.zeta * sigma**2 / (problem.sigma_y**2 + sigma**2) * pull(residual)


def _pulled(problem: Problem, prior: Prior, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Callable[[Tensor], Tensor]]:
    """D, r = y - A(D), and v -> (dA(D)/dx)' v."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        x0 = prior(x, sigma)
        explained = problem.operator(x0)
    return x0.detach(), problem.y - explained.detach(), lambda v: torch.autograd.grad(explained, x, v)[0]
