"""Priors whose posteriors are known exactly, and distances to them."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor

from benchmarks.metrics import frechet
from restore.guidance import Estimator
from restore.operators import Dense, Mask
from restore.priors import Prior
from restore.problem import Problem

BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)  # Ho et al. 2020.
ABAR = (1 - BETAS).cumprod(0)
GAUSSIAN = ("mean err / std", "variance ratio", "W2")
LEVELS = ((1 - ABAR) / ABAR).sqrt().flip(0)


class Mixture(Prior):
    """Vectors (B, 1, 1, d) from Gaussians of weights w_j and means m_j that share one covariance S.

    With G = S (S + sigma^2)^-1 and r_j = p(j | x), D = G x + (1 - G) sum r_j m_j, in the basis of S.

    Attributes:
        evaluations, products: what it was asked for since they were set to 0: D (NFE), and products with its Jacobian (VJP), a
            batch as one.
    """

    channels = 1

    def __init__(self, weights: Tensor, means: Tensor, covariance: Tensor | None = None) -> None:
        super().__init__()
        self.evaluations, self.products = 0, 0
        self.weights, self.means = weights / weights.sum(), means
        self.values, self.basis = torch.ones(means.shape[1], dtype=means.dtype), None
        if covariance is not None:
            self.values, self.basis = torch.linalg.eigh(covariance)
        self.levels, self.sigma_min, self.sigma_max = LEVELS, float(LEVELS[-1]), float(LEVELS[0])
        self.turned = means if self.basis is None else means @ self.basis

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        flat, means = x.flatten(1), self.turned.to(x)
        flat = flat if self.basis is None else flat @ self.basis.to(x)
        total = self.values.to(x) + sigma[:, None] ** 2
        logits = (flat / total) @ means.T - (1 / total) @ (means.T**2 / 2) + self.weights.to(x).log()
        gain = self.values.to(x) / total
        mean = gain * flat + (1 - gain) * (logits.softmax(dim=1) @ means)
        x0 = (mean if self.basis is None else mean @ self.basis.to(x).T).reshape(x.shape)
        self.evaluations += 1
        if x0.requires_grad:
            x0.register_hook(self._count)
        return x0

    def _count(self, gradient: Tensor) -> None:
        self.products += 1

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        which = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        z = (
            torch.randn(count, self.means.shape[1], dtype=self.means.dtype, generator=generator)
            * self.values.clamp(min=0).sqrt()
        )
        return (self.means[which] + (z if self.basis is None else z @ self.basis.T))[:, None, None]


@dataclass(frozen=True)
class Case:
    """A problem of one y, its prior and its posterior. `seen` picks the coordinates that are compared."""

    prior: Mixture
    problem: Problem
    posterior: Mixture
    seen: Tensor


@dataclass(frozen=True)
class Oracle(Estimator):
    """The exact E[x0 | x, y]: what is left is the sampler's own error and the harness's."""

    posterior: Mixture

    def estimate(self, problem: Problem, prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
        prior(x, sigma)  # Counted like the methods.
        return self.posterior(x, sigma)


@dataclass(frozen=True)
class Unguided(Estimator):
    """The prior itself."""

    def estimate(self, problem: Problem, prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
        return prior(x, sigma)


def conditioned(prior: Mixture, matrix: Tensor, y: Tensor, sigma_y: float) -> Mixture:
    """The posterior of a mixture is a mixture: each Gaussian by Kriging, weights by how well each foretells y."""
    size = len(prior.values)
    basis = torch.eye(size, dtype=y.dtype) if prior.basis is None else prior.basis
    covariance = (basis * prior.values) @ basis.T
    inner = matrix @ covariance @ matrix.T + sigma_y**2 * torch.eye(len(matrix), dtype=y.dtype)
    gain = torch.linalg.solve(inner, matrix @ covariance).T
    residual = y - prior.means @ matrix.T
    fit = -(residual * torch.linalg.solve(inner, residual.T).T).sum(1) / 2
    weights = (prior.weights.log() + fit).softmax(0)
    after = covariance - gain @ matrix @ covariance
    return Mixture(weights, prior.means + residual @ gain.T, (after + after.T) / 2)


def hole(seed: int, size: int = 64, hidden: int = 16, sigma_y: float = 0.0) -> Case:
    """Proof 1: x ~ N(0, 0.95^|i - j|), the middle hidden, the rest known with noise sigma_y."""
    generator = torch.Generator().manual_seed(1000 + seed)
    index = torch.arange(size, dtype=torch.float64)
    covariance = 0.95 ** (index[:, None] - index).abs()
    prior = Mixture(torch.ones(1, dtype=torch.float64), torch.zeros(1, size, dtype=torch.float64), covariance)
    lost = torch.zeros(size, dtype=torch.bool)
    lost[(size - hidden) // 2 : (size + hidden) // 2] = True
    x = prior.draw(1, generator)
    operator = Mask(~lost.reshape(1, 1, 1, size))
    matrix = torch.eye(size, dtype=torch.float64)[~lost]
    y = operator(x)
    if sigma_y > 0:
        y = operator(y + sigma_y * torch.randn(x.shape, dtype=x.dtype, generator=generator))
    posterior = conditioned(prior, matrix, y.flatten()[~lost], sigma_y)
    return Case(prior, Problem(y, operator, sigma_y, (1, 1, 1, size)), posterior, lost)


def modes(seed: int, size: int, measured: int) -> Case:
    """Proof 2: 25 Gaussians on a lattice, `measured` noisy linear measurements of random strength."""
    generator = torch.Generator().manual_seed(2000 + seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    steps = torch.arange(-2, 3, dtype=torch.float64)
    lattice = -8.0 * torch.cartesian_prod(steps, steps)
    prior = Mixture(normal(25) ** 2, lattice.repeat(1, size // 2))
    u, _, vt = torch.linalg.svd(normal(measured, size), full_matrices=False)
    s = torch.rand(measured, dtype=torch.float64, generator=generator)
    sigma_y = float(torch.rand((), dtype=torch.float64, generator=generator) * s.max())
    matrix = (u * s) @ vt
    y = (prior.draw(1, generator).flatten() @ matrix.T) + sigma_y * normal(measured)
    operator = Dense(matrix, (1, 1, size))
    problem = Problem(y.reshape(1, 1, 1, measured), operator, sigma_y, (1, 1, 1, size))
    return Case(prior, problem, conditioned(prior, matrix, y, sigma_y), torch.ones(size, dtype=torch.bool))


def distances(samples: Tensor, case: Case, seed: int) -> dict[str, float]:
    """To the posterior, by name: to as many exact samples of it, or to its moments where it is a Gaussian."""
    if len(case.posterior.means) == 1:
        found = gaussian_distances(samples, case) if samples.isfinite().all() else (nan,) * 3
        return dict(zip(GAUSSIAN, found, strict=True))
    exact = case.posterior.draw(len(samples), torch.Generator().manual_seed(seed))
    return {"sliced W1": sliced_distance(samples, exact)}


def gaussian_distances(samples: Tensor, case: Case) -> tuple[float, float, float]:
    """Error of the mean in posterior standard deviations, ratio of variances, W2 between Gaussians of the same moments."""
    posterior, seen = case.posterior, case.seen
    mean = posterior.means[0][seen]
    covariance = ((posterior.basis * posterior.values) @ posterior.basis.T)[seen][:, seen]
    drawn = samples.flatten(1).double()[:, seen]
    found = torch.cov(drawn.T)
    error = ((drawn.mean(0) - mean).square().sum() / covariance.trace()).sqrt()
    ratio = (found.diagonal() / covariance.diagonal()).mean()
    return float(error), float(ratio), float(frechet(mean, covariance, drawn.mean(0), found).clamp(min=0).sqrt())


def sliced_distance(a: Tensor, b: Tensor, slices: int = 100, seed: int = 0) -> float:
    """Mean Wasserstein-1 distance of two equally large sets of samples along random directions."""
    size = a[0].numel()
    directions = torch.randn(size, slices, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    directions = directions / directions.norm(dim=0)
    projected = ((samples.flatten(1).double() @ directions).sort(dim=0).values for samples in (a, b))
    return float((next(projected) - next(projected)).abs().mean())
