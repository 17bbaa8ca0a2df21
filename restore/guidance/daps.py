"""DAPS: decoupled annealing; each level noises a fresh sample of x0 (Zhang et al. 2025, 2407.01521, algorithm 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from restore.guidance.guidance import POSITIVE, Guidance, Ranges
from restore.operators.operator import Linear
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling import schedules
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler


@dataclass(frozen=True)
class DAPS(Guidance):
    """x0 ~ N(x0; O(x), r^2) N(y; A(x0), sigma_y^2), then x' = x0 + s' z, where O(x) solves the ODE from (x, sigma) to 0.

    r = sigma, as in the paper, and s' = sigma_next. A linear A is sampled exactly by perturb-and-optimise: x0 =
    argmin |A x0 - y - sigma_y n|^2 / sigma_y^2 + |x0 - O - r z|^2 / r^2. Any other is sampled by Langevin dynamics,
    x0 <- x0 + h grad log p + sqrt(2 h) z, with h = rate / (1 / r^2 + 1 / sigma_y^2), which is stable for operators of norm at
    most 1.

    With a constraint y is its point nearest to A of the state: of O + r z, and in every Langevin step.

    Two measures give the dynamics the right variance. They start at a sample of the first factor, because directions that y
    does not determine mix slowly. Neighbouring steps share noise, sqrt(h / 2) (z + z'), which removes the bias of the step
    size for Gaussian posteriors (Leimkuhler & Matthews 2013).

    Attributes:
        ode: Euler steps of the ODE, one evaluation each; the paper's 5.
        langevin: Langevin steps; the paper's 100. They do not evaluate the prior.
        rate: step size as a share of 1 / (1 / r^2 + 1 / sigma_y^2).
        floor: the smallest sigma_y that the Langevin steps use, because their step size must be above 0; the paper's beta_y.
    """

    takes_constraint: ClassVar[bool] = True
    differentiates: ClassVar[bool] = True
    steps: ClassVar[int] = 200
    ranges: ClassVar[Ranges] = {
        "ode": (1, math.inf),
        "langevin": (0, math.inf),
        "rate": (POSITIVE, 1),
        "floor": (POSITIVE, math.inf),
    }
    ode: int = 5
    langevin: int = 100
    rate: float = 0.2
    floor: float = 0.01

    def step(
        self, problem: Problem, prior: Prior, sampler: Sampler, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise
    ) -> Tensor:
        x0 = self._draw(problem, self._solved(prior, x, sigma), sigma, noise)
        return x0 + sigma_next * noise(x0) if sigma_next > 0 else x0

    def _solved(self, prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
        """The solution at 0 of the probability-flow ODE from (x, sigma), on EDM's schedule."""
        schedule = schedules.karras(float(sigma), min(prior.sigma_min, float(sigma)), self.ode).to(sigma)
        schedule = schedule if prior.levels is None else schedules.snap(schedule, prior.levels).to(sigma)
        for level, below in pairwise(schedule):
            x = x + (below - level) / level * (x - prior(x, level))
        return x

    def gain(self, problem: Problem, x0: Tensor) -> Tensor | float:
        """The square of the operator's norm at x0, a number or (B, 1, 1, 1): 1, as operators on pictures have at most."""
        return 1.0

    def _draw(self, problem: Problem, x0: Tensor, r: Tensor, noise: Noise) -> Tensor:
        operator = problem.operator
        if isinstance(operator, Linear):
            centre = x0 + r * noise(x0)
            y = problem.measurement(centre)
            if problem.sigma_y > 0:
                y = y + problem.sigma_y * noise(operator(x0))
            return operator.prox(centre, y, problem.sigma_y**2 / r**2)
        sigma_y = max(problem.sigma_y, self.floor)
        size = self.rate / (1 / r**2 + self.gain(problem, x0) / sigma_y**2)
        centre, z = x0, noise(x0)
        x0 = centre + r * noise(x0)
        for _ in range(self.langevin):
            with torch.enable_grad():
                x0 = x0.detach().requires_grad_()
                explained = operator(x0)
                (pulled,) = torch.autograd.grad(explained, x0, problem.nearest(explained.detach()) - explained.detach())
            down = (centre - x0.detach()) / r**2 + pulled / sigma_y**2
            z, before = noise(centre), z
            x0 = x0.detach() + size * down + (size / 2) ** 0.5 * (z + before)
        return x0
