"""Super-resolution of noisy and compressed pictures: plug-and-play on the small picture, then on the large one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from restore.guidance.ddnm import DDNM
from restore.guidance.guidance import POSITIVE, Guidance, Ranges
from restore.guidance.pnp import PnP
from restore.operators.identity import Identity
from restore.operators.operator import Linear
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler


@dataclass(frozen=True)
class TwoScales(PnP):
    """z, an estimate of A x from y = A x + n, and then `PnP` for x from z with what noise is left.

    A reduced photograph is a photograph, too, so the prior knows A x as well as x. Steps on A x, whose operator is the
    identity, come closer to it than steps on x, where a data term of few pixels stands against the prior's errors. They cost
    the square of the scale less. All of them are part of the first transition.

    Attributes:
        first: the method for A x, used where its noise is not white or has a constraint; white noise takes one evaluation.
        first_steps: transitions of `first`.
        left: standard deviation of the noise of z, as a share of that of y.
    """

    steps: ClassVar[int] = 10
    fast: ClassVar[int] = 6
    best: ClassVar[int] = 10
    ranges: ClassVar[Ranges] = {**PnP.ranges, "first_steps": (1, 100), "left": (POSITIVE, 1)}
    first: Guidance[Any] = field(default_factory=PnP)
    first_steps: int = 8
    left: float = 0.8

    def sampling(self, problem: Problem) -> Guidance:
        return TwoScalesSamples(estimate=self)

    def start(self, problem: Problem[Linear], sigma: Tensor, noise: Noise) -> Tensor:
        return problem.y

    def schedule(self, prior: Prior, problem: Problem[Linear], steps: int) -> Tensor:
        return super().schedule(prior, replace(problem, sigma_y=self.left * problem.sigma_y), steps)

    def picture(self, problem: Problem[Linear], state: Tensor) -> Tensor:
        x, _ = _parts(problem, state)
        return x

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
        # The state is y at first, and then x and z side by side, with pixels in a row.
        if x.ndim == 4:
            z = self.clean(problem, prior, sampler, noise)
            x = problem.operator.initial_estimate(z)
        else:
            x, z = _parts(problem, x)
        cleaned = replace(problem, y=z, sigma_y=self.left * problem.sigma_y, noise=None, constraint=None)
        x = super().step(cleaned, prior, sampler, x, sigma, sigma_next, noise)
        return _side_by_side(x, z)

    def clean(self, problem: Problem[Linear], prior: Prior, sampler: Sampler, noise: Noise) -> Tensor:
        """z (B, C, h, w), the estimate of A x; by `prior` as `wrap_prior` returned it."""
        y = problem.y
        if problem.constraint is None and (problem.noise is None or problem.noise.is_white):
            return prior(y, torch.tensor(problem.sigma_y))
        # A constraint says more than a model of the same noise.
        exact = problem.constraint is not None and problem.constraint.instead_of_noise
        small = replace(
            problem,
            operator=Identity(),
            shape=tuple(y.shape),
            start=None,
            sigma_y=0.0 if exact else problem.sigma_y,
            noise=None if exact else problem.noise,
        )
        schedule = self.first.schedule(prior, small, self.first_steps).to(y.device)
        z = self.first.start(small, schedule[0], noise)
        for now, after in pairwise(schedule):
            z = self.first.step(small, prior, sampler, z, now, after, noise)
        return z


@dataclass(frozen=True)
class TwoScalesSamples(Guidance[Linear]):
    """z, the estimate of A x by `TwoScales`, and then draws of x with A x = z.

    A sample of A x in place of z would have twice the squared error that is left in z, and in structures as wide as pixels of
    the small picture. So the draws show which finer detail is possible, and their spread does not hold what is uncertain
    about z.

    Attributes:
        estimate: the method whose z it is. Cleaning is part of the first transition.
        second: the method for x, which samples given a noiseless measurement. Of eta 0.5: with more fresh noise in its
            steps samples have less texture, with less they look scratched.
    """

    needs: ClassVar[type] = Linear
    noise_law: ClassVar[Literal["white", "any"]] = "any"
    takes_constraint: ClassVar[bool] = True
    steps: ClassVar[int] = 40
    fast: ClassVar[int] = 20
    best: ClassVar[int] = 100
    estimate: TwoScales = field(default_factory=TwoScales)
    second: Guidance[Any] = field(default_factory=lambda: DDNM(eta=0.5))

    def start(self, problem: Problem[Linear], sigma: Tensor, noise: Noise) -> Tensor:
        return problem.y

    def schedule(self, prior: Prior, problem: Problem[Linear], steps: int) -> Tensor:
        return self.second.schedule(prior, problem, steps)

    def sampler(self) -> Sampler:
        return self.second.sampler()

    def picture(self, problem: Problem[Linear], state: Tensor) -> Tensor:
        x, _ = _parts(problem, state)
        return x

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
        # The state is as that of `TwoScales`.
        if x.ndim == 4:
            z = self.estimate.clean(problem, self.estimate.wrap_prior(prior), sampler, noise)
            known = _exact(problem, z)
            x = self.second.start(known, sigma, noise)
        else:
            x, z = _parts(problem, x)
            known = _exact(problem, z)
        return _side_by_side(self.second.step(known, prior, sampler, x, sigma, sigma_next, noise), z)


def _exact(problem: Problem[Linear], z: Tensor) -> Problem[Linear]:
    """A x = z."""
    start = None if problem.start is None else problem.operator.initial_estimate(z)
    return replace(problem, y=z, sigma_y=0.0, noise=None, constraint=None, start=start)


def _side_by_side(x: Tensor, z: Tensor) -> Tensor:
    """The state (B, C, H W + h w)."""
    return torch.cat([x.flatten(2), z.flatten(2)], dim=2)


def _parts(problem: Problem[Linear], state: Tensor) -> tuple[Tensor, Tensor]:
    """x and z of a state."""
    height, width = problem.shape[-2:]
    size = (len(state), state.shape[1])
    x, z = state.split([height * width, state.shape[2] - height * width], dim=2)
    return x.reshape(*size, height, width), z.reshape(*size, *problem.y.shape[-2:])
