"""MMPS: the posterior's moments matched, not only its mean (Rozet et al. 2024, 2405.13712)."""

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
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler, renoise


@dataclass(frozen=True)
class MMPS(Guidance[Linear]):
    """E[x0 | x, y] = D + C A' (A C A' + sigma_y^2)^-1 (y - A D), taking p(x0 | x) for N(D, C) with C = sigma^2 dD/dx.

    The moments are the true ones at every level (Tweedie), and for Gaussian pictures nothing is approximated. The paper writes
    the gradient of log p(y | x); sigma^2 times it is the correction of D above. The inverse is taken by conjugate gradients
    or GMRES; each product with C is one vector-Jacobian product through the graph of the step's one evaluation of D. The
    search starts from A A' r^2 + sigma_y^2 in place of the matrix, which is PiGDM's answer, and improves on it.

    The spread of a step. The paper takes the ancestral step, which puts the mean of x0 where x0 belongs:

        x' = rho x + (1 - rho) x0 + s' sqrt(1 - rho) z,    rho = s'^2 / sigma^2,    x0 ~ p(x0 | x, y).

    So Var(x' | x, y) lacks (1 - rho)^2 Cov(x0 | x, y), of the order of the step's own noise where steps are large: 20 steps on
    correlated Gaussians answer 0.6 of the posterior's variance. Here x0 is drawn, by perturbing and solving (Papandreou &
    Yuille 2010): with e = C^(1/2) z and measurement noise n,

        x0 = D + e + C A' (A C A' + sigma_y^2)^-1 (y - A (D + e) - sigma_y n)

    has just the mean and covariance of p(x0 | x, y), for the price of e alone, for the one solve serves mean and draw. Then the
    trajectory is exact for Gaussian pictures at every number of steps, one included. e comes from `spread` steps of Lanczos'
    method, at one product each; few do, because directions that Lanczos finds late are those where C is small beside the step's
    noise.

    The defaults are for learned priors. Their Jacobians are not symmetric, and conjugate gradients diverge on them. For a prior
    known in closed form take `gmres=False` and more iterations.

    Attributes:
        iterations: of the solver, at one product each. Fewer than the spectrum asks for leave the mean short of y.
        spread: products for the draw of x0; 0 is the paper's step, by any sampler. Drawing takes the sampler's place.
        gmres: solve by GMRES, for Jacobians that are not symmetric; by conjugate gradients otherwise.
    """

    needs: ClassVar[type] = Linear
    steps: ClassVar[int] = 20
    fast: ClassVar[int] = 10
    best: ClassVar[int] = 50
    ranges: ClassVar[Ranges] = {"iterations": (1, math.inf), "spread": (0, math.inf)}
    iterations: int = 3
    spread: int = 2
    gmres: bool = True

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
        """E[x0 | x, y]."""
        moments = Moments(prior, x, sigma)
        return self._conditioned(problem, moments, sigma, moments.mean, problem.y)

    def draw(self, problem: Problem[Linear], moments: Moments, sigma: Tensor, noise: Noise) -> Tensor:
        """x0 ~ p(x0 | x, y)."""
        x0 = moments.mean + square_root(moments.covariance, noise(moments.mean), self.spread)
        y = problem.y
        if problem.sigma_y > 0:
            seen = problem.operator(x0)
            y = y + problem.sigma_y * noise(seen)
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
