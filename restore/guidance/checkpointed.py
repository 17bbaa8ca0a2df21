"""Steps whose activations are not kept for the gradient through a whole run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils.checkpoint import checkpoint

from restore.errors import UsageError
from restore.guidance.guidance import Guidance
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler


@dataclass(frozen=True)
class Checkpointed(Guidance[Any]):
    """A point estimate whose steps are computed again when their gradients are needed (Chen et al. 2016, 1604.06174), so that
    memory does not grow with the number of steps.

    Raises: UsageError for a method that draws noise: computed again, its steps would be others.
    """

    method: Guidance[Any]

    def __post_init__(self) -> None:
        if self.method.answer != "estimate":
            raise UsageError(
                f"{type(self.method).__name__} draws samples, and has no gradient; use a point estimate, such as pnp"
            )

    def check(self, problem: Problem) -> None:
        self.method.check(problem)

    def start(self, problem: Problem, sigma: Tensor, noise: Noise) -> Tensor:
        return self.method.start(problem, sigma, noise)

    def wrap_prior(self, prior: Prior) -> Prior:
        return self.method.wrap_prior(prior)

    def picture(self, problem: Problem, state: Tensor) -> Tensor:
        return self.method.picture(problem, state)

    def step(
        self, problem: Problem, prior: Prior, sampler: Sampler, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise
    ) -> Tensor:
        found: Tensor = checkpoint(
            self.method.step,
            problem,
            prior,
            sampler,
            x,
            sigma,
            sigma_next,
            noise,
            use_reentrant=False,
            preserve_rng_state=False,
        )
        return found
