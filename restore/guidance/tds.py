"""TDS: many particles, weighted by how well they explain y (Wu et al. 2023, 2306.17775, algorithm 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from restore.guidance.guidance import Guidance
from restore.guidance.moments import Moments
from restore.kernels import Kernel
from restore.noise import Noise
from restore.operators.krylov import Map, conjugate_gradients, dot
from restore.operators.operator import Linear
from restore.priors.prior import Prior
from restore.problem import Problem


@dataclass(frozen=True)
class TDS(Guidance):
    """Sequential Monte Carlo, exact as K grows for the walk of the prior alone, whatever the prior's shape:

        p(x' | x) = N(rho x + (1 - rho) D, b^2),    rho = s'^2 / sigma^2,    b^2 = s'^2 (1 - rho).

    Until the end the twist psi(x) = N(y; A D, A C A' + sigma_y^2), C = sigma^2 dD/dx, stands for p(y | x). The paper has a
    scalar in place of C; these are MMPS's moments. Each of K particles moves as MMPS would have it,

        x' ~ q(x' | x) = N(rho x + (1 - rho) D_y, b^2),    D_y = D + C A' (A C A' + sigma_y^2)^-1 (y - A D),

    and weighs p(x' | x) psi(x') / (q(x' | x) psi(x)). Where the weights are worth fewer than `share` K particles (effective
    sample size), particles are drawn anew, systematically, by the picture's own generator. At the last level one is drawn by
    weight, and D_y there is the answer.

    The state of the walk is (B, K, 1 + C H W), the logarithm of a particle's weight before its x: psi(x') is known with D(x'),
    which is the next step's one evaluation. B K pictures go through the prior together. The operator must treat every picture
    alike. The kernel is not used.

    Attributes:
        particles: K.
        share: of K, below which particles are drawn anew.
        iterations: of conjugate gradients for the inverse. Up to `dense` measurements a picture the matrix is made in full, by
            one vector-Jacobian product each, and psi is exact; beyond, psi leaves out its determinant.
    """

    needs: ClassVar[type] = Linear
    steps: ClassVar[int] = 100
    particles: int = 16
    share: float = 0.5
    iterations: int = 8
    dense: int = 16

    def start(self, problem: Problem, sigma: Tensor, noise: Noise) -> Tensor:
        size = math.prod(problem.shape[1:])
        like = torch.empty(problem.shape[0], self.particles, size, dtype=problem.y.dtype, device=problem.y.device)
        drawn = sigma * noise(like)
        if problem.start is not None:
            drawn = drawn + problem.start.expand(problem.shape).reshape(problem.shape[0], 1, size)
        return _packed(torch.zeros_like(like[..., 0]), drawn)

    def picture(self, problem: Problem, state: Tensor) -> Tensor:
        return state[:, 0, 1:].reshape(problem.shape)

    def step(
        self, problem: Problem, prior: Prior, kernel: Kernel, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise
    ) -> Tensor:
        weight, x = x[..., 0], x[..., 1:]
        moments = Moments(prior, x.reshape(-1, *problem.shape[1:]), sigma)
        twist, towards = (part.reshape(*weight.shape, -1) for part in self._twist(problem, moments, sigma))
        weight = weight + twist[..., 0]
        uniform = torch.special.ndtr(noise(weight[:, :1].double()))
        if sigma_next == 0:
            chosen = _spread(weight, uniform, 1).expand_as(weight)
            answer = moments.mean.reshape(x.shape) + towards
            return _packed(torch.zeros_like(weight), _taken(answer, chosen))

        worth = weight.softmax(dim=1).square().sum(dim=1, keepdim=True).reciprocal()
        poor = worth < self.share * self.particles
        ancestors = torch.where(poor, _spread(weight, uniform, self.particles), torch.arange(self.particles, device=x.device))
        weight = torch.where(poor, torch.zeros_like(weight), weight)
        x, x0, towards, twist = (_taken(part, ancestors) for part in (x, moments.mean.reshape(x.shape), towards, twist))

        rho = (sigma_next / sigma) ** 2
        deviation, z = sigma_next * (1 - rho).sqrt(), noise(x)
        shift = (1 - rho) * towards / deviation  # From p's mean to q's, in standard deviations.
        ratio = -(z * shift).sum(dim=2) - shift.square().sum(dim=2) / 2
        x = rho * x + (1 - rho) * x0 + deviation * (shift + z)
        return _packed(weight + ratio - twist[..., 0], x)

    def _twist(self, problem: Problem, moments: Moments, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """log psi (B K, 1, 1, 1) up to a constant, and D_y - D."""
        operator = problem.operator
        assert isinstance(operator, Linear)
        y = problem.y.repeat_interleave(len(moments.mean) // len(problem.y), dim=0)
        r = y - operator(moments.mean)

        def matrix(v: Tensor) -> Tensor:
            return operator(moments.covariance(operator.adjoint(v))) + problem.sigma_y**2 * v

        if r[0].numel() <= self.dense:
            v, determinant = _solved(matrix, r)
        else:
            v = conjugate_gradients(
                matrix, r, self.iterations, lambda r: operator.solve(r, sigma**2 / (1 + sigma**2), problem.sigma_y**2)
            )
            determinant = torch.zeros_like(dot(r, v))
        return -(dot(r, v) + determinant) / 2, moments.covariance(operator.adjoint(v))


def _solved(matrix: Map, r: Tensor) -> tuple[Tensor, Tensor]:
    """M^-1 r and log det M for a small symmetric M, built column by column; directions that M does not see are left out."""
    units = torch.eye(r[0].numel(), dtype=r.dtype, device=r.device).reshape(-1, 1, *r.shape[1:])
    columns = torch.stack([matrix(unit.expand_as(r)).flatten(1) for unit in units], dim=2)
    values, vectors = torch.linalg.eigh((columns + columns.mT) / 2)
    seen = values > 100 * torch.finfo(r.dtype).eps * values[:, -1:]
    safe = torch.where(seen, values, 1.0)
    coefficients = seen * (vectors.mT @ r.flatten(1)[..., None])[..., 0] / safe
    return (vectors @ coefficients[..., None]).reshape(r.shape), safe.log().sum(dim=1).reshape(-1, 1, 1, 1)


def _spread(weight: Tensor, uniform: Tensor, count: int) -> Tensor:
    """Systematic resampling: `count` ancestors a picture, by logarithms of weights (B, K) and one uniform number (B, 1)."""
    heap = weight.double().softmax(dim=1).cumsum(dim=1)
    places = (uniform + torch.arange(count, device=weight.device)) / count
    return torch.searchsorted(heap, places).clamp(max=weight.shape[1] - 1)


def _taken(values: Tensor, ancestors: Tensor) -> Tensor:
    return values.take_along_dim(ancestors[..., None], dim=1)


def _packed(weight: Tensor, x: Tensor) -> Tensor:
    return torch.cat([weight[..., None], x], dim=2)
