"""DDNM on latents: the range-space part of the decoded estimate is that of the measurement (Wang et al. 2023, 2212.00490)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from restore.errors import OperatorError
from restore.guidance.ddnm import project
from restore.guidance.guidance import Estimator, Ranges
from restore.guidance.latents import OnLatents, in_pixels
from restore.operators.operator import Linear
from restore.priors.latent.decoded import Decoded
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling import samplers
from restore.sampling.samplers import Sampler
from restore.wording import called


@dataclass(frozen=True)
class LatentDDNM(OnLatents, Estimator[Decoded]):
    """z0 <- D + E(x') - E(x) with x = G(D) and x' = A+ y + (I - A+ A) x (eq. 13 of the paper), then a step of DDIM.

    E(x') - E(x) in place of E(x') - D: where x explains y nothing moves, whatever error the codec has. For exact y alone: DDNM+
    spends the noise of a step along the singular vectors of A, which a decoder does not keep; `latent-diffpir` takes noise.

    Attributes:
        eta: of DDIM; the paper's 0.85.
    """

    inside: ClassVar[type] = Linear
    takes_constraint: ClassVar[bool] = True
    ranges: ClassVar[Ranges] = {"eta": (0, 1)}
    eta: float = 0.85

    def check_operator(self, problem: Problem[Decoded]) -> None:
        super().check_operator(problem)
        if problem.sigma_y > 0:
            raise OperatorError(
                f"LatentDDNM takes measurements without noise; name latent-diffpir, or {called('sigma', 0)} if there is none"
            )

    def sampler(self) -> Sampler:
        return samplers.ddim(self.eta)

    def estimate(self, problem: Problem[Decoded], prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
        operator, z0 = problem.operator, prior(x, sigma)
        decoded = operator.decode(z0)
        explaining = project(in_pixels(problem), decoded)
        return z0 + operator.encode(explaining) - operator.encode(decoded)
