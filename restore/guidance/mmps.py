"""MMPS: moment matching posterior sampling, with the covariance of p(x0 | x) (Rozet et al. 2024, 2405.13712)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from restore.guidance.guidance import Guidance, Ranges
from restore.guidance.moments import Moments
from restore.operators.krylov import conjugate_gradients_through, gmres_through, square_root
from restore.operators.operator import Linear
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling import schedules
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler, renoise


@dataclass(frozen=True)
class MMPS(Guidance[Linear]):
    """E[x0 | x, y] = D + C A' (A C A' + sigma_y^2)^-1 (y - A D) for p(x0 | x) taken as N(D, C) with C = sigma^2 dD/dx.

    D and C are the true mean and covariance at every level (Tweedie), so the formula is exact for Gaussian pictures. The paper
    states the gradient of log p(y | x); the correction of D is sigma^2 times it. GMRES or conjugate gradients solve the linear
    system. Each product with C is one vector-Jacobian product through the graph of the step's only evaluation of D. The
    preconditioner is the inverse of A A' r^2 + sigma_y^2, which PiGDM has in place of the matrix.

    Drawing x0. The exact transition is

        x' = rho x + (1 - rho) x0 + s' sqrt(1 - rho) z,    rho = s'^2 / sigma^2,    x0 ~ p(x0 | x, y).

    The paper's ancestral step takes the mean of x0 instead, so Var(x' | x, y) lacks (1 - rho)^2 Cov(x0 | x, y). With large
    steps that is as much as the step's own noise: 20 steps on correlated Gaussians have 0.6 of the posterior's variance. Here
    x0 is drawn, by perturb-and-optimise (Papandreou & Yuille 2010): with e = C^(1/2) z and measurement noise n,

        x0 = D + e + C A' (A C A' + sigma_y^2)^-1 (y - A (D + e) - sigma_y n)

    has the mean and covariance of p(x0 | x, y), and needs no second solve. For Gaussian pictures the trajectory is then exact
    at every number of steps, one included. `spread` Lanczos steps approximate e, at one product each. Few suffice: in the
    directions that Lanczos finds late, C is small against the step's noise.

    With a constraint y is its point nearest to A (D + e), or to A D: a draw that lies in the set stays, and others are moved
    to its border.

    The defaults are for learned priors. Their Jacobians are not symmetric, and conjugate gradients diverge on them. For a prior
    in closed form use `gmres=False` and more iterations.

    Attributes:
        iterations: of the solver, at one product each. With too few for the spectrum, the mean does not reach y.
        spread: Lanczos steps for drawing x0; the sampler is not used then. 0 is the paper's method, with any sampler.
        gmres: solve by GMRES, for Jacobians that are not symmetric; otherwise by conjugate gradients.
        sigma_end: the last noise level, or the next trained one above; 0 for the prior's own.
    """

    needs: ClassVar[type] = Linear
    takes_constraint: ClassVar[bool] = True
    steps: ClassVar[int] = 20
    fast: ClassVar[int] = 10
    best: ClassVar[int] = 50
    ranges: ClassVar[Ranges] = {"iterations": (1, math.inf), "spread": (0, math.inf), "sigma_end": (0, math.inf)}
    iterations: int = 3
    spread: int = 2
    gmres: bool = True
    sigma_end: float = 0.0

    def schedule(self, prior: Prior, problem: Problem[Linear], steps: int) -> Tensor:
        first = prior.sigma_start or prior.sigma_max
        if not prior.sigma_min < self.sigma_end < first:
            return super().schedule(prior, problem, steps)
        if prior.levels is not None:
            return schedules.ddpm(prior.levels[prior.levels >= self.sigma_end], steps, prior.spacing)
        return schedules.karras(first, self.sigma_end, steps)

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
        if self.spread == 0:
            return sampler(lambda x, sigma: self.estimate(problem, prior, x, sigma), x, sigma, sigma_next, noise)
        x0 = self.draw(problem, Moments(prior, x, sigma), sigma, noise)
        return renoise(x0, x, sigma, sigma_next, 1 - (sigma_next / sigma) ** 2, noise)

    def estimate(self, problem: Problem[Linear], prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x0 | x, y], (B, C, H, W)."""
        moments = Moments(prior, x, sigma)
        return self._conditioned(problem, moments, sigma, moments.mean, problem.measurement(moments.mean))

    def draw(self, problem: Problem[Linear], moments: Moments, sigma: Tensor, noise: Noise) -> Tensor:
        """x0 ~ p(x0 | x, y), (B, C, H, W)."""
        x0 = moments.mean + square_root(moments.covariance, noise(moments.mean), self.spread)
        y = problem.measurement(x0)
        if problem.sigma_y > 0:
            y = y + problem.sigma_y * noise(problem.operator(x0))
        return self._conditioned(problem, moments, sigma, x0, y)

    def _conditioned(self, problem: Problem[Linear], moments: Moments, sigma: Tensor, x0: Tensor, y: Tensor) -> Tensor:
        """x0 + C A' (A C A' + sigma_y^2)^-1 (y - A x0)."""
        operator = problem.operator

        def products(v: Tensor) -> tuple[Tensor, Tensor]:
            moved = moments.covariance(operator.adjoint(v))
            return operator(moved) + problem.sigma_y**2 * v, moved

        def precondition(r: Tensor) -> Tensor:
            return operator.solve(r, sigma**2 / (1 + sigma**2), problem.sigma_y**2)

        solver = gmres_through if self.gmres else conjugate_gradients_through
        return x0 + solver(products, y - operator(x0), self.iterations, precondition)


@dataclass(frozen=True)
class ShortMMPS(MMPS):
    """`MMPS` without the levels below 3 grey levels: a quarter of the evaluations, which samples of enlarged pictures do not
    show (docs/reports/speed.md)."""

    steps: ClassVar[int] = 15
    fast: ClassVar[int] = 8
    best: ClassVar[int] = 38
    sigma_end: float = 0.026
