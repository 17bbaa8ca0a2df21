"""PiGDM: pseudo-inverse guidance (Song et al. 2023, "Pseudoinverse-guided diffusion models", ICLR)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from restore.guidance.guidance import Estimator
from restore.operators.operator import Linear
from restore.priors.prior import Prior
from restore.problem import Problem


@dataclass(frozen=True)
class PiGDM(Estimator):
    """x0 <- D + sigma^2 J' A' (r^2 A A' + sigma_y^2)^-1 (y - A D), J = dD/dx.

    p(x0 | x) is taken as N(D, r^2) with r^2 = sigma^2 v / (sigma^2 + v), exact for white Gaussian pictures of variance v.
    The gradient of log p(y | x) then follows by the chain rule; sigma^2 turns a score into a correction of D.

    Attributes:
        variance: v; the paper's 1.
    """

    needs: ClassVar[type] = Linear
    steps: ClassVar[int] = 50
    variance: float = 1.0

    def estimate(self, problem: Problem, prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
        operator = problem.operator
        assert isinstance(operator, Linear)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            x0 = prior(x, sigma)
            residual = problem.y - operator(x0.detach())
            spread = sigma**2 * self.variance / (sigma**2 + self.variance)
            solved = operator.adjoint(operator.solve(residual, spread, problem.sigma_y**2))
            (pulled,) = torch.autograd.grad(x0, x, solved)
        return x0.detach() + sigma**2 * pulled
