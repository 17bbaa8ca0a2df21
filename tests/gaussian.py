"""Gaussian pictures, where every answer is known in closed form."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restore.engine import reverse
from restore.guidance import Guidance
from restore.operators import Operator
from restore.priors import Prior
from restore.problem import Problem
from restore.sampling.samplers import Sampler


class Gaussian(Prior):
    """Pictures drawn from N(mean, covariance) over all their (C, H, W) values: D = m + S (S + sigma^2)^-1 (x - m)."""

    def __init__(self, covariance: Tensor, *, mean: float = 0.0, channels: int = 1, levels: Tensor | None = None) -> None:
        super().__init__()
        self.covariance, self.mean, self.channels = covariance.double(), mean, channels
        self.values, self.basis = torch.linalg.eigh(self.covariance)
        if levels is not None:
            self.levels, self.sigma_min, self.sigma_max = levels, float(levels[-1]), float(levels[0])

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        basis, values = self.basis.to(x), self.values.to(x)
        gain = values / (values + sigma[:, None] ** 2)
        return (((x - self.mean).flatten(1) @ basis * gain) @ basis.T + self.mean).reshape(x.shape)

    def draw(self, count: int, shape: tuple[int, ...], seed: int = 0) -> Tensor:
        z = torch.randn(count, len(self.values), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        return (self.mean + z * self.values.clamp(min=0).sqrt() @ self.basis.T).reshape(count, *shape)


def decaying(size: int, correlation: float = 0.95) -> Tensor:
    """correlation^|i - j|."""
    index = torch.arange(size, dtype=torch.float64)
    return correlation ** (index[:, None] - index).abs()


def dense(operator: Operator, shape: tuple[int, ...]) -> Tensor:
    """A as a matrix: its answer to every unit picture of shape (C, H, W)."""
    size = torch.Size(shape).numel()
    columns = [operator(unit.reshape(1, *shape)).flatten() for unit in torch.eye(size, dtype=torch.float64)]
    return torch.stack(columns, dim=1)


@dataclass(frozen=True)
class Law:
    """A Gaussian over flattened pictures."""

    mean: Tensor
    covariance: Tensor

    def marginal(self, keep: Tensor) -> Law:
        return Law(self.mean[keep], self.covariance[keep][:, keep])


def posterior(problem: Problem, prior: Gaussian) -> Law:
    """The exact law of x given y; at sigma_y = 0 the pseudo-inverse is the limit."""
    matrix = dense(problem.operator, problem.shape[1:])
    spread = matrix @ prior.covariance @ matrix.T + problem.sigma_y**2 * torch.eye(len(matrix), dtype=torch.float64)
    gain = prior.covariance @ matrix.T @ torch.linalg.pinv(spread, rtol=1e-12, hermitian=True)
    mean = torch.full((len(prior.covariance),), prior.mean, dtype=torch.float64)
    mean = mean + gain @ (problem.y.double().flatten() - matrix @ mean)
    return Law(mean, prior.covariance - gain @ matrix @ prior.covariance)


class Unguided(Guidance):
    """The prior alone: what the sampler does by itself."""

    def step(self, problem, prior, sampler, x, sigma, sigma_next, noise):
        return sampler(prior, x, sigma, sigma_next, noise)


DRAWS = 2  # Most draws any step makes.


class _Probe:
    """Stands in for Noise: picture 0 gets none, later blocks of pictures get every unit picture in one draw each."""

    def __init__(self) -> None:
        self.draws = 0

    def __call__(self, like: Tensor) -> Tensor:
        size = like[0].numel()
        self.draws += 1
        assert self.draws <= DRAWS
        z = torch.zeros_like(like).flatten(1)
        z[1 + self.draws * size : 1 + (self.draws + 1) * size] = torch.eye(size, dtype=like.dtype)
        return z.reshape(like.shape)


class _From(Guidance):
    """A guidance that starts at a picture given."""

    def __init__(self, inner: Guidance, x: Tensor | None) -> None:
        self.inner, self.x = inner, x

    def start(self, problem, sigma, noise):
        return self.inner.start(problem, sigma, noise) if self.x is None else self.x

    def step(self, *arguments):
        return self.inner.step(*arguments)


def exact_law(problem: Problem, prior: Prior, guidance: Guidance, sampler: Sampler, schedule: Tensor) -> Law:
    """The law of the engine's answer, without sampling: on Gaussian pictures every transition is affine in x and in its noise.

    Each transition is shown all unit pictures and all unit noises; mean and covariance follow by linear algebra.
    """
    size = torch.Size(problem.shape[1:]).numel()
    rows = 1 + size * (1 + DRAWS)
    problem = replace(problem, shape=(rows, *problem.shape[1:]))
    started = guidance.start(problem, schedule[0], _Probe()).double().flatten(1)
    law = Law(started[0], _square(started[1:] - started[0]))
    x = torch.zeros(rows, size, dtype=torch.float64)
    x[1 : 1 + size] = torch.eye(size)
    for index in range(len(schedule) - 1):
        start = _From(guidance, x.reshape(problem.shape))
        (answer,) = reverse(problem, prior, start, sampler, schedule[index : index + 2], _Probe())
        answer = answer.flatten(1)
        linear, fresh = answer[1 : 1 + size] - answer[0], answer[1 + size :] - answer[0]
        law = Law(answer[0] + law.mean @ linear, linear.T @ law.covariance @ linear + _square(fresh))
    return law


def _square(rows: Tensor) -> Tensor:
    return rows.T @ rows


def wasserstein(a: Law, b: Law) -> float:
    """W2 between two Gaussians."""
    root = _root(a.covariance)
    cross = torch.linalg.eigvalsh(root @ b.covariance @ root).clamp(min=0).sqrt().sum()
    squared = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * cross
    return float(squared.clamp(min=0).sqrt())


def _root(matrix: Tensor) -> Tensor:
    values, basis = torch.linalg.eigh(matrix)
    return basis * values.clamp(min=0).sqrt() @ basis.T
