"""A measurement problem: what was measured, how, and how noisily."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import Tensor

from restore.errors import PictureError
from restore.operators.operator import Operator

Kind = TypeVar("Kind", bound=Operator)


@dataclass(frozen=True)
class Problem(Generic[Kind]):
    """y = A(x) + sigma_y n. `Problem[Linear]` is one whose operator is linear.

    Attributes:
        y: the measurement, shaped as the operator answers.
        operator: A.
        sigma_y: standard deviation of the noise, in units of [-1, 1] pictures; 0 means exact.
        shape: (B, C, H, W) of the picture wanted.
        start: (B or 1, C, H, W), a picture near the answer, where runs begin that begin below the prior's highest level; None
            for pure noise.

    Raises: PictureError if y holds NaN or infinity, or sigma_y is negative.
    """

    y: Tensor
    operator: Kind
    sigma_y: float
    shape: tuple[int, ...]
    start: Tensor | None = None

    def __post_init__(self) -> None:
        if not finite(self.y):
            raise PictureError("the picture holds NaN or infinite values; give finite ones")
        if not (math.isfinite(self.sigma_y) and self.sigma_y >= 0):
            raise PictureError(f"the noise level must be zero or more, got {self.sigma_y}")


def finite(x: Tensor) -> bool:
    """Whether a tensor holds neither NaN nor infinity; without another of its size, as `isfinite` makes some."""
    least, most = x.aminmax()
    return math.isfinite(least) and math.isfinite(most)
