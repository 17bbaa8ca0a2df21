"""DPS: a gradient step on the norm of the residual after each transition (Chung et al. 2023, 2209.14687, algorithm 1)."""

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
    """annealed (the default): x0 <- D + zeta sigma^2 J'A'(y - A(D)) / (sigma_y^2 + sigma^2), then a step of any sampler.

    It takes the likelihood of x as N(y; A(D), sigma_y^2 + sigma^2) and multiplies its score by zeta. With a constraint y is its
    point nearest to A(D), so that the residual is the gradient of half the squared distance to it.

    annealed=False, the paper's algorithm 1, line 7: x' <- x' - zeta sqrt((1 + sigma^2)(1 + s'^2)) grad_x |y - A(D(x))| after an
    unguided step to x', with s' = sigma_next and one norm per picture. The root converts the paper's step to x = x_t / a_t,
    a_t = 1 / sqrt(1 + sigma^2): the gradient with respect to x_t is sqrt(1 + sigma^2) times that with respect to x, and
    a change of x'_t is one of x' times sqrt(1 + s'^2). This zeta must be tuned to the number of steps (1000 in the paper) and
    to the scale of y.

    Attributes:
        zeta: the paper's 1 (0.3 to 1 over its tasks).
        annealed: False for the paper's method, which is 5 dB behind on photographs in a few hundred steps.
    """

    needs: ClassVar[type] = Operator
    takes_constraint: ClassVar[bool] = True
    steps: ClassVar[int] = 1000
    ranges: ClassVar[Ranges] = {"zeta": (0, math.inf)}
    zeta: float = 1.0
    annealed: bool = True

    def preset(self, quality: Literal["fast", "balanced", "best"]) -> tuple[Guidance, int]:
        # The paper's zeta is tuned to one number of steps; the annealed weight works for any.
        return self, {"fast": 20, "balanced": 100, "best": 200}[quality] if self.annealed else self.steps

    def step(
        self, problem: Problem, prior: Prior, sampler: Sampler, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise
    ) -> Tensor:
        if self.annealed:
            return sampler(lambda x, sigma: self._annealed(problem, prior, x, sigma), x, sigma, sigma_next, noise)
        # Guidance is computed once per step, at x; further evaluations of the sampler are unguided.
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
    return (
        x0.detach(),
        problem.nearest(explained.detach()) - explained.detach(),
        lambda v: torch.autograd.grad(explained, x, v)[0],
    )
