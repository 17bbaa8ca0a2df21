"""DDNM: the part of the clean picture that the measurement fixes is put right (Wang et al. 2023, 2212.00490)."""

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
    """Without noise: x0 <- D + A+ (y - A D), then any sampler.

    With noise (DDNM+): per singular value s, the correction brings noise a sigma_y / s into x', where a is the
    share of x0 in x'. It is scaled down where that exceeds the fresh noise of the transition, and the fresh noise is reduced
    by it otherwise, so that x' has the variance the prior expects. In sigma, for DDIM's transition, a = 1 - s' sqrt(1 - tau) /
    sigma and the fresh noise has standard deviation s' sqrt(tau).

    Attributes:
        eta: of the transition; the paper's 0.85. With noise above 0: without fresh noise there is no room for that of y.
    """

    needs: ClassVar[type] = Operator
    steps: ClassVar[int] = 50
    ranges: ClassVar[Ranges] = {"eta": (0, 1)}
    eta: float = 0.85

    def check(self, problem: Problem) -> None:
        super().check(problem)
        if problem.sigma_y > 0 and not isinstance(problem.operator, Spectral):
            raise OperatorError(f"DDNM with noise needs a Spectral operator, got {type(problem.operator).__name__}")
        if problem.sigma_y > 0 and self.eta == 0:
            raise OperatorError("DDNM with noise needs eta above 0: y enters as far as its noise fits into the step's own")

    def sampler(self) -> Sampler:
        return samplers.ddim(self.eta)

    def step(
        self, problem: Problem, prior: Prior, sampler: Sampler, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise
    ) -> Tensor:
        if problem.sigma_y == 0:
            return sampler(lambda x, sigma: _project(problem, prior(x, sigma)), x, sigma, sigma_next, noise)
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
        x0 = x0 + operator.v(scale / s * (operator.ut(problem.y) - s * operator.vt(x0)))
        z = noise(x)
        reduced = (deviation**2 - (scale * brought) ** 2).clamp(min=0).sqrt()
        # Fresh noise: reduced on the row space, whole outside it.
        z = deviation * z + operator.v((reduced - deviation) * operator.vt(z))
        return x0 + kept * (x - x0) + z


def _project(problem: Problem, x0: Tensor) -> Tensor:
    operator = problem.operator
    return operator.prox(x0, problem.y, 0.0) if isinstance(operator, Spectral) else _project_any(problem, x0)


def _project_any(problem: Problem, x0: Tensor) -> Tensor:
    # A pseudo-inverse that is not linear cannot be applied to a residual: x0 - A+ A x0 + A+ y.
    operator = problem.operator
    return x0 - operator.pinv(operator(x0)) + operator.pinv(problem.y)
