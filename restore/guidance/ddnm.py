"""DDNM: the range-space part of the clean estimate is replaced by that of the measurement (Wang et al. 2023, 2212.00490)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from restore.errors import OperatorError
from restore.guidance.guidance import Guidance, Ranges
from restore.operators.operator import Operator, Spectral
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling import samplers
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler


@dataclass(frozen=True)
class DDNM(Guidance):
    """Noiseless y: x0 <- D + A+ (y - A D), then a step of any sampler. With a constraint, y is its point nearest to A D.

    Noisy y (DDNM+, section 3.3), for Spectral operators, always with DDIM's transition: for a singular value s the correction
    adds noise of standard deviation a sigma_y / s to x', where a is the coefficient of x0 in x'. Where that exceeds the
    transition's fresh noise the correction is scaled down; elsewhere the fresh noise is reduced by it. Either way x' has
    the variance that the prior expects. For DDIM, a = 1 - s' sqrt(1 - tau) / sigma and the fresh noise has standard deviation
    s' sqrt(tau), with s' = sigma_next.

    Attributes:
        eta: of DDIM; the paper's 0.85. Noisy y needs eta > 0, because its noise takes the place of fresh noise.
    """

    needs: ClassVar[type] = Operator
    takes_constraint: ClassVar[bool] = True
    steps: ClassVar[int] = 50
    ranges: ClassVar[Ranges] = {"eta": (0, 1)}
    eta: float = 0.85

    def check(self, problem: Problem) -> None:
        super().check(problem)
        if problem.sigma_y > 0 and not isinstance(problem.operator, Spectral):
            raise OperatorError(f"DDNM with noise needs a Spectral operator, got {type(problem.operator).__name__}")
        if problem.sigma_y > 0 and self.eta == 0:
            raise OperatorError("DDNM with noise needs eta above 0: the noise of y takes the place of the step's fresh noise")

    def sampler(self) -> Sampler:
        return samplers.ddim(self.eta)

    def step(
        self, problem: Problem, prior: Prior, sampler: Sampler, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise
    ) -> Tensor:
        if problem.sigma_y == 0:
            return sampler(lambda x, sigma: project(problem, prior(x, sigma)), x, sigma, sigma_next, noise)
        return self._noisy(problem, prior, x, sigma, sigma_next, noise)

    def _noisy(
        self, problem: Problem[Spectral], prior: Prior, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise
    ) -> Tensor:
        operator = problem.operator
        x0 = prior(x, sigma)
        if sigma_next == 0:
            return x0
        fresh = self.eta**2 * (1 - (sigma_next / sigma) ** 2)
        kept = sigma_next * (1 - fresh).sqrt() / sigma
        deviation = sigma_next * fresh.sqrt()
        s = operator.s.to(x)
        brought = (1 - kept) * problem.sigma_y / s
        scale = (deviation / brought).clamp(max=1)
        x0 = x0 + operator.v(scale / s * (operator.ut(problem.measurement(x0)) - s * operator.vt(x0)))
        z = noise(x)
        reduced = (deviation**2 - (scale * brought) ** 2).clamp(min=0).sqrt()
        # Fresh noise: reduced in the row space, full outside it.
        z = deviation * z + operator.v((reduced - deviation) * operator.vt(z))
        return x0 + kept * (x - x0) + z


def project(problem: Problem, x0: Tensor) -> Tensor:
    """A+ y + (I - A+ A) x0, the picture nearest to x0 that explains y; with a constraint, y is its point nearest to A x0."""
    operator = problem.operator
    return operator.prox(x0, problem.measurement(x0), 0.0) if isinstance(operator, Spectral) else _project_any(problem, x0)


def _project_any(problem: Problem, x0: Tensor) -> Tensor:
    # For a nonlinear A, A+ cannot be applied to the residual: x0 - A+(A(x0)) + A+(y).
    operator = problem.operator
    return x0 - operator.pinv(operator(x0)) + operator.pinv(problem.measurement(x0))
