"""DiffPIR on latents: the proximal step is taken in pixels, between decoding and encoding (Zhu et al. 2023, 2305.08995)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from restore.guidance.guidance import Estimator, Ranges
from restore.guidance.latents import OnLatents, in_pixels
from restore.operators.operator import Linear
from restore.priors.latent.decoded import Decoded
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling import samplers
from restore.sampling.samplers import Sampler


@dataclass(frozen=True)
class LatentDiffPIR(OnLatents, Estimator[Decoded]):
    """z0 <- D + E(x') - E(x) with x = G(D) and x' = argmin_x |y - A x|^2 + rho |x - G(D)|^2, rho = lambda sigma_y^2 / sigma^2.

    For sigma_y = 0 the step is a projection, DDNM's (Wang et al. 2023, 2212.00490) through the codec. No gradient of the
    decoder is needed. E(x') - E(x) in place of E(x') - D: where x explains y nothing moves, whatever error the codec has.

    Attributes:
        weight: lambda of the paper.
        zeta: share of fresh noise in the variance when z0 is noised to the next level.
    """

    inside: ClassVar[type] = Linear
    noise_law: ClassVar[Literal["white", "any"]] = "any"
    takes_constraint: ClassVar[bool] = True
    ranges: ClassVar[Ranges] = {"weight": (0, math.inf), "zeta": (0, 1)}
    weight: float = 8.0
    zeta: float = 0.3

    def sampler(self) -> Sampler:
        return samplers.diffpir(self.zeta)

    def estimate(self, problem: Problem[Decoded], prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
        operator, z0 = problem.operator, prior(x, sigma)
        decoded = operator.decode(z0)
        explaining = in_pixels(problem).prox(decoded, self.weight / sigma**2)
        return z0 + operator.encode(explaining) - operator.encode(decoded)
