"""PiGDM: pseudo-inverse guidance (Song et al. 2023, "Pseudoinverse-guided diffusion models", ICLR)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from restore.guidance.guidance import POSITIVE, Guidance, Ranges
from restore.operators.operator import Linear
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler


@dataclass(frozen=True)
class PiGDM(Guidance[Linear]):
    """x0 <- D + sigma^2 J' A' (r^2 A A' + sigma_y^2)^-1 (y - A D), J = dD/dx.

    p(x0 | x) is taken as N(D, r^2) with r^2 = sigma^2 v / (sigma^2 + v), exact for white Gaussian pictures of variance v.
    The gradient of log p(y | x) follows by the chain rule; sigma^2 times it is the correction of D.

    With a constraint y is its point nearest to A D.

    adaptive=True, the paper's algorithm 1: the gradient is weighted by r^2 and added to x' after the transition. With
    x = x_t / a_t and a_t = 1 / sqrt(1 + sigma^2), its step a_t r^2 grad_{x_t} log p(y | x_t) adds to x'

        sqrt(1 + s'^2) r^2 J' A' (r^2 A A' + sigma_y^2)^-1 (y - A D).

    This is not the posterior's score, so it is not exact for white pictures. On photographs it has smaller errors for noisy y,
    and is less stable around large holes in noiseless y (docs/reports/photographs.md).

    Attributes:
        variance: v; the paper's 1.
        adaptive: use the paper's weight r^2 rather than sigma^2.
    """

    needs: ClassVar[type] = Linear
    takes_constraint: ClassVar[bool] = True
    steps: ClassVar[int] = 50
    ranges: ClassVar[Ranges] = {"variance": (POSITIVE, math.inf)}
    variance: float = 1.0
    adaptive: bool = False

    def step(
        self,
        problem: Problem[Linear],
        prior: Prior,
        sampler: Sampler,
        x: Tensor,
        sigma: Tensor,
        sigma_next: Tensor,
        noise: Noise,
    ) -> Tensor:
        if not self.adaptive:
            return sampler(lambda x, sigma: self.estimate(problem, prior, x, sigma), x, sigma, sigma_next, noise)
        # Guidance is computed once per step, at x; further evaluations of the sampler are unguided.
        x0, pulled, spread = self._pulled(problem, prior, x, sigma)
        x_next = sampler(lambda at, level: x0 if at is x and level is sigma else prior(at, level), x, sigma, sigma_next, noise)
        return x_next + (1 + sigma_next**2).sqrt() * spread * pulled

    def estimate(self, problem: Problem[Linear], prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x0 | x, y] (B, C, H, W), exact for white Gaussian pictures."""
        x0, pulled, _ = self._pulled(problem, prior, x, sigma)
        return x0 + sigma**2 * pulled

    def _pulled(self, problem: Problem[Linear], prior: Prior, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """D, the gradient of log p(y | x), and r^2."""
        operator = problem.operator
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            x0 = prior(x, sigma)
            explained = operator(x0.detach())
            residual = problem.nearest(explained) - explained
            spread = sigma**2 * self.variance / (sigma**2 + self.variance)
            solved = operator.adjoint(operator.solve(residual, spread, problem.sigma_y**2))
            (pulled,) = torch.autograd.grad(x0, x, solved)
        return x0.detach(), pulled, spread
