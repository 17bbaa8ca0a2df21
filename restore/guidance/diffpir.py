"""DiffPIR: a proximal data step inside the reverse process (Zhu et al. 2023, 2305.08995, algorithm 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from restore.guidance.guidance import Estimator, Ranges
from restore.operators.operator import Linear
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling import samplers
from restore.sampling.samplers import Sampler


@dataclass(frozen=True)
class DiffPIR(Estimator[Linear]):
    """x0 <- argmin_x |y - A x|^2 + rho |x - D|^2 with rho = lambda sigma_y^2 / sigma^2; for sigma_y = 0, a projection.

    Noise that is not white, and a constraint on the measurement, enter by the proximal operator; see `Problem.prox`.

    Attributes:
        weight: lambda of the paper.
        zeta: share of fresh noise in the variance when x0 is noised to the next level.
    """

    needs: ClassVar[type] = Linear
    noise_law: ClassVar[Literal["white", "any"]] = "any"
    takes_constraint: ClassVar[bool] = True
    steps: ClassVar[int] = 50
    ranges: ClassVar[Ranges] = {"weight": (0, math.inf), "zeta": (0, 1)}
    weight: float = 8.0
    zeta: float = 0.3

    def sampler(self) -> Sampler:
        return samplers.diffpir(self.zeta)

    def estimate(self, problem: Problem[Linear], prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
        return problem.prox(prior(x, sigma), self.weight / sigma**2)
