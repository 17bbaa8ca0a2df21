"""How the measurement enters one reverse step."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Literal, cast

import torch
from torch import Tensor

from restore.errors import OperatorError
from restore.operators.operator import Operator
from restore.priors.prior import Prior
from restore.problem import Kind, Problem
from restore.sampling import samplers, schedules
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler
from restore.spec import check_integer, check_range

Ranges = Mapping[str, tuple[float, float]]
POSITIVE = 1e-6  # Stands for the least number above 0.


class Guidance(ABC, Generic[Kind]):
    """A method that brings y into every reverse step. Instances are immutable; their arguments are the method's own.

    A method that is a dataclass is checked when it is made: whole numbers are whole, and what `ranges` names lies in it.

    Attributes:
        ranges: (lowest, highest) of arguments, by name.
        needs: the kind of operator the method works with, checked before a run.
        answer: what a run gives: a posterior "sample", or a point "estimate" that is not one.
        steps: transitions a run takes unless told otherwise.
        fast, best: transitions of a quick look, and of a run that may take its time.
    """

    needs: ClassVar[type] = Operator
    answer: ClassVar[Literal["sample", "estimate"]] = "sample"
    steps: ClassVar[int] = 50
    fast: ClassVar[int] = 10
    best: ClassVar[int] = 100
    ranges: ClassVar[Ranges] = MappingProxyType({})

    def __post_init__(self) -> None:
        """Raises UsageError for an argument out of its range."""
        for name, (low, high) in self.ranges.items():
            check_range(name, getattr(self, name), low, high)
        for field in dataclasses.fields(cast(Any, self)):
            if field.type in (int, "int"):
                check_integer(field.name, getattr(self, field.name))

    def preset(self, quality: Literal["fast", "balanced", "best"]) -> tuple[Guidance, int]:
        """The method as a quality has it, and its transitions: itself with `fast`, `steps` or `best` unless it knows better."""
        return self, {"fast": self.fast, "balanced": self.steps, "best": self.best}[quality]

    def check(self, problem: Problem[Kind]) -> None:
        """Raises OperatorError if the method cannot use the problem's operator."""
        if not isinstance(problem.operator, self.needs):
            raise OperatorError(
                f"{type(self).__name__} needs a {self.needs.__name__} operator, got {type(problem.operator).__name__}"
            )

    def start(self, problem: Problem[Kind], sigma: Tensor, noise: Noise) -> Tensor:
        """x at the first level of the schedule: pure noise, around `problem.start` if there is one."""
        drawn = sigma * noise(torch.empty(problem.shape, dtype=problem.y.dtype, device=problem.y.device))
        return drawn if problem.start is None else problem.start + drawn

    def schedule(self, prior: Prior, problem: Problem[Kind], steps: int) -> Tensor:
        """The method's default levels for a prior."""
        if prior.levels is not None:
            return schedules.ddpm(prior.levels, steps)
        return schedules.karras(prior.sigma_start or prior.sigma_max, prior.sigma_min, steps)

    def sampler(self) -> Sampler:
        """The method's default transition."""
        return samplers.ddim(eta=1.0)

    def wrap_prior(self, prior: Prior) -> Prior:
        """How the method looks at the prior: as it is."""
        return prior

    def picture(self, problem: Problem[Kind], state: Tensor) -> Tensor:
        """The pictures (B, C, H, W) to show of what `start` and `step` answer: that itself, unless the method carries more."""
        return state

    @abstractmethod
    def step(
        self, problem: Problem[Kind], prior: Prior, sampler: Sampler, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise
    ) -> Tensor:
        """x at sigma_next from x (B, C, H, W) at sigma."""


class Estimator(Guidance[Kind]):
    """The common case: only the estimate of the clean picture is corrected, so every sampler works."""

    @abstractmethod
    def estimate(self, problem: Problem[Kind], prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
        """An estimate of E[x0 | x, y] where the prior alone says E[x0 | x]."""

    def step(
        self, problem: Problem[Kind], prior: Prior, sampler: Sampler, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise
    ) -> Tensor:
        return sampler(lambda x, sigma: self.estimate(problem, prior, x, sigma), x, sigma, sigma_next, noise)
