"""Clipping: over- and underexposure."""

from __future__ import annotations

from torch import Tensor

from restore.errors import OperatorError
from restore.operators.operator import Operator


class Clip(Operator):
    """y = x clamped to [low, high]. Where y is at a bound the gradient is 0: x may lie anywhere beyond it.

    Args:
        low: in units of [-1, 1] pictures.
        high: likewise.

    Raises: OperatorError unless low < high.
    """

    def __init__(self, low: float = -1.0, high: float = 0.5) -> None:
        if not low < high:
            raise OperatorError(f"Clip needs low < high, got {low} and {high}")
        self.low, self.high = low, high

    def __call__(self, x: Tensor) -> Tensor:
        return x.clamp(self.low, self.high)

    def pinv(self, y: Tensor) -> Tensor:
        return y

    def crop(self, box: tuple[int, int, int, int]) -> Operator:
        return self
