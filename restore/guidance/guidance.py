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
    """A method that brings the measurement y into every reverse step.

    Instances are immutable; their arguments are the method's own. A method that is a dataclass is checked when it is made:
    fields of type int must be whole numbers, and those in `ranges` must lie in their range.

    Attributes:
        needs: the kind of operator that the method works with; checked before a run.
        answer: what a run gives, a posterior "sample" or a point "estimate".
        steps: transitions of a run by default, the quality "balanced".
        fast, best: transitions for the qualities "fast" and "best".
        ranges: (lowest, highest) value of arguments, by name.
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
        """The method and the number of transitions for a quality. By default the method as it is, with `fast`, `steps` or
        `best` transitions."""
        return self, {"fast": self.fast, "balanced": self.steps, "best": self.best}[quality]

    def check(self, problem: Problem[Kind]) -> None:
        """Raises OperatorError if the method cannot use the problem's operator."""
        if not isinstance(problem.operator, self.needs):
            raise OperatorError(
                f"{type(self).__name__} needs {_a(self.needs.__name__)} operator, got {type(problem.operator).__name__}"
            )

    def start(self, problem: Problem[Kind], sigma: Tensor, noise: Noise) -> Tensor:
        """x (B, C, H, W) at the first level of the schedule: noise, around `problem.start` if there is one."""
        drawn = sigma * noise(torch.empty(problem.shape, dtype=problem.y.dtype, device=problem.y.device))
        return drawn if problem.start is None else problem.start + drawn

    def schedule(self, prior: Prior, problem: Problem[Kind], steps: int) -> Tensor:
        """The noise levels of a run, from high to 0: the prior's trained levels, or Karras' grid, by default."""
        if prior.levels is not None:
            return schedules.ddpm(prior.levels, steps)
        return schedules.karras(prior.sigma_start or prior.sigma_max, prior.sigma_min, steps)

    def sampler(self) -> Sampler:
        """The transition that the method takes unless another is asked for; DDPM's ancestral step by default."""
        return samplers.ddim(eta=1.0)

    def wrap_prior(self, prior: Prior) -> Prior:
        """The prior that the method evaluates: the one given, or a view of it, such as a self-ensemble."""
        return prior

    def picture(self, problem: Problem[Kind], state: Tensor) -> Tensor:
        """The pictures (B, C, H, W) in the state that `start` and `step` return. A method whose state holds more, such as
        particles and their weights, overrides this."""
        return state

    @abstractmethod
    def step(
        self, problem: Problem[Kind], prior: Prior, sampler: Sampler, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise
    ) -> Tensor:
        """The state at sigma_next from that at sigma, for sigma_next < sigma; both are () tensors."""


class Estimator(Guidance[Kind]):
    """A method that only corrects the estimate of the clean picture, so that every sampler works with it."""

    @abstractmethod
    def estimate(self, problem: Problem[Kind], prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
        """An estimate of E[x0 | x, y], (B, C, H, W), where the prior alone estimates E[x0 | x]."""

    def step(
        self, problem: Problem[Kind], prior: Prior, sampler: Sampler, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise
    ) -> Tensor:
        return sampler(lambda x, sigma: self.estimate(problem, prior, x, sigma), x, sigma, sigma_next, noise)


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
