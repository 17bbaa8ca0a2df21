"""What the tests of guidance methods share: small correlated pictures, problems drawn from them, and a short run."""

from __future__ import annotations

from typing import Any

import torch
from gaussian import Gaussian, decaying
from torch import Tensor

from restore.engine import reverse
from restore.guidance import TDS, Guidance
from restore.operators import Operator
from restore.problem import Problem
from restore.sampling.noise import Noise, seed_for

SHAPE = (3, 4, 6)
BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
ABAR = (1 - BETAS).cumprod(0)
LEVELS = ((1 - ABAR) / ABAR).sqrt().flip(0)
KEEP = torch.rand(1, 1, *SHAPE[1:], generator=torch.Generator().manual_seed(3)) < 0.5


def cg(method: type, **words: Any) -> Guidance:
    """MMPS or TDS for priors whose Jacobian is symmetric, as exact ones are: by conjugate gradients, of more iterations."""
    particles = {"particles": 16} if method is TDS else {}
    return method(**{"iterations": 8, "spread": 4, "gmres": False, **particles, **words})


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def smooth(*sizes: int) -> Tensor:
    """The covariance of pictures that are correlated along every side."""
    covariance = torch.ones(1, 1, dtype=torch.float64)
    for size in sizes:
        covariance = torch.kron(covariance, decaying(size, 0.8))
    return 0.2 * covariance


class Stream:
    """Noise from one generator: quicker than one a picture, and the law of the answers is the same."""

    def __init__(self, seed: int = 0) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self.generator, dtype=like.dtype)


PRIOR = Gaussian(smooth(*SHAPE), mean=0.1, channels=3)
DISCRETE = Gaussian(smooth(*SHAPE), mean=0.1, channels=3, levels=LEVELS)


def measured(
    operator: Operator,
    sigma_y: float,
    count: int = 1,
    prior: Gaussian = PRIOR,
    shape: tuple[int, ...] = SHAPE,
    seed: int = 0,
) -> Problem:
    """A problem of `count` pictures drawn from the prior."""
    clean = operator(prior.draw(count, shape, seed))
    return Problem(clean + sigma_y * random(*clean.shape, seed=seed + 50), operator, sigma_y, (count, *shape))


def run(guidance: Guidance, problem: Problem, prior: Gaussian = PRIOR, steps: int = 8, seed: int = 0) -> Tensor:
    """The answer of a method along its own schedule by its own sampler."""
    schedule = guidance.schedule(prior, problem, steps).double()
    noise = Noise([seed_for(seed, sample=index) for index in range(problem.shape[0])])
    *_, answer = reverse(problem, prior, guidance, guidance.sampler(), schedule, noise)
    return answer
