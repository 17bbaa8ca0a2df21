"""Exact guidance for denoising, where the operator is the identity."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from restore.guidance.guidance import Estimator, Guidance
from restore.noise.clipping import uncensored
from restore.operators.identity import Identity
from restore.priors.prior import Prior
from restore.priors.views.self_ensemble import GeometricSelfEnsemble
from restore.problem import Problem
from restore.sampling import samplers, schedules
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler


@dataclass(frozen=True)
class Denoising(Estimator[Identity]):
    """E[x0 | y] = D(y, sigma_y): the posterior mean, by one evaluation.

    Where noise was clipped at the ends of the range, y is put back in the mean by that estimate, and D evaluated again: a step
    of EM (`uncensored`), of which more gain hundredths of a dB.

    Attributes:
        averaged: average over the eight symmetries of the square. It takes eight evaluations and gains a tenth of a dB.
    """

    needs: ClassVar[type] = Identity
    answer: ClassVar[Literal["sample", "estimate"]] = "estimate"
    steps: ClassVar[int] = 1
    fast: ClassVar[int] = 1
    best: ClassVar[int] = 1
    averaged: bool = False

    def preset(self, quality: Literal["fast", "balanced", "best"]) -> tuple[Guidance, int]:
        return (replace(self, averaged=True) if quality == "best" else self), 1

    def schedule(self, prior: Prior, problem: Problem[Identity], steps: int) -> Tensor:
        """One transition; `steps` is ignored."""
        return torch.tensor([prior.sigma_max, 0.0])

    def wrap_prior(self, prior: Prior) -> Prior:
        return GeometricSelfEnsemble(prior) if self.averaged else prior

    def start(self, problem: Problem[Identity], sigma: Tensor, noise: Noise) -> Tensor:
        """y. No noise is drawn, because the estimate does not depend on the state."""
        return problem.y.expand(problem.shape)

    def estimate(self, problem: Problem[Identity], prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
        y, level = problem.y.expand(problem.shape), torch.full_like(sigma, problem.sigma_y)
        if problem.sigma_y == 0:
            return y
        found = prior(y, level)
        if not problem.clipped:
            return found
        found = found.clamp(-1, 1)
        deviation = level if problem.noise is None else problem.noise.deviation_at(found)
        return prior(uncensored(y, found, deviation), level)


@dataclass(frozen=True)
class DenoisingSamples(Estimator[Identity]):
    """Posterior samples for y = x0 + sigma_y n, by the probability-flow ODE with the exact E[x0 | x, y].

    Given x0, x and y are independent Gaussian observations of it. Their precision-weighted mean m is a sufficient statistic, an
    observation at level s with 1/s^2 = 1/sigma^2 + 1/sigma_y^2. So E[x0 | x, y] = D(m, s) for every prior. D is evaluated at
    levels below sigma_y only.

    The schedule is a geometric sequence from 30 sigma_y to sigma_y / 10, because levels far from sigma_y hardly matter. Ten
    steps of DPM-Solver++(2M) leave a Gaussian posterior's variance within 2 % and its mean within 0.04 standard deviations.
    """

    needs: ClassVar[type] = Identity
    steps: ClassVar[int] = 10
    fast: ClassVar[int] = 5
    best: ClassVar[int] = 20

    def schedule(self, prior: Prior, problem: Problem[Identity], steps: int) -> Tensor:
        level = max(problem.sigma_y, prior.sigma_min)  # Without noise the estimate is y at every level.
        return schedules.geometric(min(30 * level, prior.sigma_max), level / 10, steps)

    def sampler(self) -> Sampler:
        return samplers.dpmpp_2m()

    def estimate(self, problem: Problem[Identity], prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
        if problem.sigma_y == 0:
            return problem.y.expand(problem.shape)
        share = problem.sigma_y**2 / (sigma**2 + problem.sigma_y**2)
        return prior(share * x + (1 - share) * problem.y, sigma * share.sqrt())
