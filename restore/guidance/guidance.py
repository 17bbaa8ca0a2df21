"""The interface of guidance methods: how the measurement enters each reverse step."""

from __future__ import annotations

import dataclasses
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Literal, cast

import torch
from torch import Tensor

from restore.errors import OperatorError
from restore.operators.operator import Operator
from restore.options.spec import check_integer, check_range
from restore.priors.prior import Prior
from restore.problem import Kind, Problem
from restore.sampling import samplers, schedules
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler

logger = logging.getLogger("restore")

Ranges = Mapping[str, tuple[float, float]]
POSITIVE = 1e-6  # The lower end of ranges for arguments that must be above 0.


class Guidance(ABC, Generic[Kind]):
    """A method that conditions every reverse step on the measurement y.

    Instances are immutable. The parameters of a method that is a dataclass are checked on construction: fields of type int must
    be ints, and those named in `ranges` must lie in their range.

    Attributes:
        needs: the class of operator that the method works with; checked before a run.
        answer: what a run returns, a posterior "sample" or a point "estimate".
        steps: default number of transitions, for the quality "balanced".
        fast, best: numbers of transitions for the qualities "fast" and "best".
        noise_law: whether the method takes noise of any law, or every noise for white.
        takes_constraint: whether it takes `Problem.measurement` or `Problem.prox` where the problem has a constraint, not y.
        differentiates: whether it takes gradients through the operator alone, which counts where that is a decoder.
        averages: whether the mean of several samples is an answer, as of posterior samples; if not, the first one is.
        from_picture: whether it takes what it fills from the picture, not from the prior: no default for a prior that is told
            what to show.
        begins_each: whether `begin` makes an estimate for each picture, and not one for all.
        ranges: (lowest, highest) value of parameters, by name.
    """

    needs: ClassVar[type] = Operator
    answer: ClassVar[Literal["sample", "estimate"]] = "sample"
    noise_law: ClassVar[Literal["white", "any"]] = "white"
    takes_constraint: ClassVar[bool] = False
    differentiates: ClassVar[bool] = False
    averages: ClassVar[bool] = True
    from_picture: ClassVar[bool] = False
    begins_each: ClassVar[bool] = False
    steps: ClassVar[int] = 50
    fast: ClassVar[int] = 10
    best: ClassVar[int] = 100
    ranges: ClassVar[Ranges] = MappingProxyType({})

    def __post_init__(self) -> None:
        """Raises UsageError for a parameter outside its range, or an int parameter of another type."""
        for name, (low, high) in self.ranges.items():
            check_range(name, getattr(self, name), low, high)
        for field in dataclasses.fields(cast(Any, self)):
            if field.type in (int, "int"):
                check_integer(field.name, getattr(self, field.name))

    def preset(self, quality: Literal["fast", "balanced", "best"]) -> tuple[Guidance, int]:
        """The method and number of transitions for a quality; by default the method itself with `fast`, `steps` or `best`."""
        return self, {"fast": self.fast, "balanced": self.steps, "best": self.best}[quality]

    def sampling(self, problem: Problem) -> Guidance | None:
        """For a point estimate that is a task's own method: the method that draws samples beside it; None for the toolkit's."""
        return None

    def announce(self, problem: Problem[Kind]) -> str:
        """What a person should know before the method solves this problem, in a line; empty for nothing."""
        return ""

    def check(self, problem: Problem[Kind]) -> None:
        """Raises OperatorError if the method cannot use the problem's operator."""
        if problem.noise is not None and not problem.noise.is_uncorrelated and self.noise_law == "white":
            logger.warning("%s takes the noise for white, of %.1f grey levels", type(self).__name__, problem.sigma_y * 127.5)
        if problem.constraint is not None and not self.takes_constraint:
            logger.warning(
                "%s takes the measurement as it is, and makes no use of the set that it lies in, such as the cells of a JPEG",
                type(self).__name__,
            )
        self.check_operator(problem)

    def check_operator(self, problem: Problem[Kind]) -> None:
        """Raises OperatorError unless the operator is of the class that the method works with."""
        if not self.uses(problem.operator):
            raise OperatorError(
                f"{type(self).__name__} needs {_a(self.needs.__name__)} operator, got {type(problem.operator).__name__}"
            )

    def uses(self, operator: Operator) -> bool:
        """Whether the method works with operators of this class."""
        return isinstance(operator, self.needs)

    def begin(self, problem: Problem[Kind], seeds: Sequence[int]) -> Tensor:
        """`Problem.start` of runs that begin below the prior's highest level, (1 or B, C, H, W): the initial estimate.

        Args:
            seeds: one for each of the B pictures to make.
        """
        return problem.operator.initial_estimate(problem.y)

    def cost_to_begin(self, problem: Problem[Kind]) -> tuple[float, int] | None:
        """Seconds and bytes that `begin` takes, where it makes another estimate than the operator's; else None."""
        return None

    def start(self, problem: Problem[Kind], sigma: Tensor, noise: Noise) -> Tensor:
        """The state at sigma, the first level of the schedule: x = sigma z, plus `problem.start` if there is one."""
        drawn = sigma * noise(torch.empty(problem.shape, dtype=problem.y.dtype, device=problem.y.device))
        return drawn if problem.start is None else problem.start + drawn

    def schedule(self, prior: Prior, problem: Problem[Kind], steps: int) -> Tensor:
        """The noise levels of a run, 1-d float32, ending at 0; where they rise the engine adds noise.

        By default `steps` of the prior's trained levels, if these are discrete, and EDM's schedule otherwise, then 0.
        """
        if prior.levels is not None:
            return schedules.ddpm(prior.levels, steps, prior.spacing)
        return schedules.karras(prior.sigma_start or prior.sigma_max, prior.sigma_min, steps)

    def sampler(self) -> Sampler:
        """The method's default sampler; DDPM's ancestral step unless overridden."""
        return samplers.ddim(eta=1.0)

    def wrap_prior(self, prior: Prior) -> Prior:
        """The prior that the method evaluates: the one given, or a view of it such as a self-ensemble."""
        return prior

    def picture(self, problem: Problem[Kind], state: Tensor) -> Tensor:
        """The pictures (B, C, H, W) in a state that `start` or `step` returned; by default the state itself.

        A method whose state holds more, such as particles and weights, overrides this.
        """
        return state

    @abstractmethod
    def step(
        self, problem: Problem[Kind], prior: Prior, sampler: Sampler, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise
    ) -> Tensor:
        """One reverse transition: the state at sigma_next, given the state x at sigma > sigma_next; both are () tensors."""


class Estimator(Guidance[Kind]):
    """A method that only replaces the denoiser's estimate of x0, and therefore works with every sampler."""

    @abstractmethod
    def estimate(self, problem: Problem[Kind], prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
        """An estimate of E[x0 | x, y] (B, C, H, W), to replace D = E[x0 | x], for x (B, C, H, W) and sigma ()."""

    def step(
        self, problem: Problem[Kind], prior: Prior, sampler: Sampler, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise
    ) -> Tensor:
        return sampler(lambda x, sigma: self.estimate(problem, prior, x, sigma), x, sigma, sigma_next, noise)


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
