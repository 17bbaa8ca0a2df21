"""Denoising, where guidance is exact: two noisy copies of one picture are worth one cleaner copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from restore import kernels
from restore.guidance.guidance import Estimator
from restore.kernels import Kernel
from restore.operators.identity import Identity
from restore.priors.prior import Prior
from restore.problem import Problem


@dataclass(frozen=True)
class Denoising(Estimator):
    """E[x0 | x, y] for y = x0 + sigma_y n, with no approximation.

    Given x0, x and y are independent Gaussian copies; together they say what their precision-weighted mean m says, a copy at
    level s with 1/s^2 = 1/sigma^2 + 1/sigma_y^2. So E[x0 | x, y] = D(m, s) for every prior. One step answers the posterior
    mean D(y, sigma_y), the best estimate there is; many steps with a random kernel draw posterior samples.
    """

    needs: ClassVar[type] = Identity
    answer: ClassVar[Literal["sample", "estimate"]] = "estimate"
    steps: ClassVar[int] = 1
    fast: ClassVar[int] = 1
    best: ClassVar[int] = 1

    def estimate(self, problem: Problem, prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
        if problem.sigma_y == 0:
            return problem.y.expand(problem.shape)
        share = problem.sigma_y**2 / (sigma**2 + problem.sigma_y**2)
        if sigma >= prior.sigma_max:  # Where every path begins: x is pure noise and tells nothing.
            return prior(problem.y.expand(problem.shape), torch.full_like(sigma, problem.sigma_y))
        return prior(share * x + (1 - share) * problem.y, sigma * share.sqrt())


@dataclass(frozen=True)
class DenoisingSamples(Denoising):
    """Posterior samples by the same estimate: the probability flow carries noise to a sample, exactly as steps grow.

    A second-order kernel, because the ancestral one lacks variance at few steps (see MMPS), and this at no evaluation more.
    """

    answer: ClassVar[Literal["sample", "estimate"]] = "sample"
    steps: ClassVar[int] = 20
    fast: ClassVar[int] = 10
    best: ClassVar[int] = 50

    def kernel(self) -> Kernel:
        return kernels.dpmpp_2m()
