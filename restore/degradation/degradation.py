"""A degradation: what was done to a picture, one stage after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from restore.degradation.compress import cells_of, compressed
from restore.degradation.stage import NOISE, Shape, Stage, parse_stages
from restore.errors import OperatorError, UsageError
from restore.noise.rounding import LEVELS
from restore.operators import Compose, ComposeLinear, Downsample, Gray, Identity, Linear, Mask, Operator
from restore.problem import Problem

if TYPE_CHECKING:
    from restore.operators.constraint import Constraint

JPEG = "jpeg"
EXACT = (Identity, Mask, Gray, Downsample)  # Their inverses do not multiply what rounding to 8 bits leaves.
CLOSE = 100, 1e-3  # Iterations and tolerance of products: a step of a run starts from the last one's result.


@dataclass(frozen=True)
class Degradation:
    """y = A_n( ... A_2(A_1(x))) + noise, with a JPEG as the last stage if there is one.

    Degradation.parse("gray | blur:1.6 | downsample:2 | noise:5 | jpeg:60")
    """

    stages: tuple[Stage, ...]

    @classmethod
    def parse(cls, text: str) -> Degradation:
        """The degradation of a text: `NAME:VALUE,KEY=VALUE | NAME ...`, stages in the order in which they happened.

        Raises: UsageError for an unknown name, or an argument that is unknown or missing.
        """
        if not isinstance(text, str):
            raise UsageError(f"a degradation is a text such as 'blur:1.6 | noise:5', got {text!r}")
        return cls(parse_stages(text))

    def operator(self, shape: Sequence[int]) -> Operator:
        """A, of all stages but noise, for pictures (C, H, W).

        Raises: OperatorError for a shape or value that an operator does not take.
        """
        return _composed([stage for stage in self.stages if stage.name != NOISE], _shape(shape))

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise, in grey levels (0-255); 0 if no stage has any."""
        return math.hypot(*(stage.arguments["sigma"] for stage in self.stages if stage.name == NOISE))

    def input_shape(self, shape: Sequence[int]) -> Shape:
        """The shape (C, H, W) of the pictures of which A makes `shape`."""
        return reduce(lambda found, stage: stage.input_shape(found), reversed(self._operators()), _shape(shape))

    def apply(self, x: Tensor, seed: int = 0) -> Tensor:
        """The degraded pictures.

        Args:
            x: (B, C, H, W) in [-1, 1].
            seed: of the noise.
        """
        generator = torch.Generator().manual_seed(seed)
        for stage in self.stages:
            if stage.name == NOISE:
                x = x + stage.arguments["sigma"] / 127.5 * torch.randn(x.shape, generator=generator).to(x)
            elif stage.name == JPEG:
                x = compressed(x, **stage.arguments)
            else:
                x = stage.operator(_shape(x.shape[1:]))(x)
        return x

    def problem(self, y: Tensor) -> Problem:
        """The measurement problem of a degraded picture.

        A JPEG as the last stage is a constraint on y: its coefficients lie in the intervals that were rounded to those found.

        Args:
            y: (1, c, h, w) in [-1, 1].

        Raises: UsageError where noise comes before an operator, OperatorError where y cannot be of this degradation.
        """
        stages, constraint = list(self.stages), None
        if stages[-1].name == JPEG:
            constraint = cells_of(y, **stages.pop().arguments)
        names = [stage.name for stage in stages]
        if NOISE in names and any(name != NOISE for name in names[names.index(NOISE) :]):
            raise UsageError("noise before an operator is not white behind it; put noise after all operators but a last jpeg")
        shape = Degradation(tuple(stages)).input_shape(y.shape[1:])
        operator = _composed([stage for stage in stages if stage.name != NOISE], shape)
        made = tuple(operator(torch.zeros(1, *shape)).shape[1:])
        if made != tuple(y.shape[1:]):
            raise OperatorError(
                f"the degradation makes {_spelled(made)} of {_spelled(shape)}, but the picture is {_spelled(y.shape[1:])}"
            )
        return Problem(
            y=y,
            operator=operator,
            sigma_y=self._assumed(operator, constraint) / 127.5,
            shape=(1, *shape),
            constraint=constraint,
        )

    def _assumed(self, operator: Operator, constraint: Constraint | None) -> float:
        """Grey levels of noise."""
        if isinstance(operator, Identity) and constraint is not None and self.sigma == 0:
            return 0.0
        if constraint is not None:
            from restore.compression import error_of_compression

            return max(self.sigma, error_of_compression(int(self.stages[-1].arguments["quality"])))
        told = any(stage.name == NOISE for stage in self.stages)
        return self.sigma if told or isinstance(operator, EXACT) else LEVELS

    def _operators(self) -> list[Stage]:
        return [stage for stage in self.stages if stage.name != NOISE]


def parse_operator(text: str, shape: Sequence[int]) -> Operator:
    """The operator of a text such as "blur:1.6 | downsample:2" for pictures (C, H, W).

    Linear operators in a row become a `ComposeLinear`; with another among them it is a `Compose`.

    Raises: UsageError for a text that `Degradation.parse` refuses, or with noise, which is no operator; OperatorError for a
    shape or value that an operator does not take.
    """
    degradation = Degradation.parse(text)
    if any(stage.name == NOISE for stage in degradation.stages):
        raise UsageError("noise is no operator; leave it out, or use Degradation.parse")
    return degradation.operator(shape)


def _composed(stages: Sequence[Stage], shape: Shape) -> Operator:
    found: Operator | None = None
    for stage in stages:
        operator = stage.operator(shape)
        try:
            shape = _shape(operator(torch.zeros(1, *shape)).shape[1:])
        except RuntimeError as error:
            raise OperatorError(f"{stage.name} does not take pictures {_spelled(shape)}: {error}") from None
        if found is None or isinstance(found, Identity):
            found = operator
        elif isinstance(found, Linear) and isinstance(operator, Linear):
            found = found if isinstance(operator, Identity) else ComposeLinear(found, operator, *CLOSE)
        else:
            found = Compose(found, operator)
    return Identity() if found is None else found


def _shape(shape: Sequence[int]) -> Shape:
    if len(shape) != 3:
        raise OperatorError(f"a shape is (C, H, W), got {tuple(shape)}")
    channels, height, width = shape
    return channels, height, width


def _spelled(shape: Sequence[int]) -> str:
    channels, height, width = shape
    return f"{width}x{height} in {channels} channel{'s' if channels > 1 else ''}"
