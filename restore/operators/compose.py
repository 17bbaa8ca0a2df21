"""Compositions of two operators."""

from __future__ import annotations

from torch import Tensor

from restore.operators.iterative import Iterative
from restore.operators.operator import Linear, Operator


class Compose(Operator):
    """y = last(first(x)).

    `first` must be surjective, as `Downsample`, `Gray` and a blur that keeps all frequencies are. Otherwise
    `first.pinv(last.pinv(y))` does not reproduce y. For two linear operators see `ComposeLinear`.
    """

    def __init__(self, first: Operator, last: Operator) -> None:
        self.first, self.last = first, last

    def __call__(self, x: Tensor) -> Tensor:
        return self.last(self.first(x))

    def pinv(self, y: Tensor) -> Tensor:
        return self.first.pinv(self.last.pinv(y))

    def initial_estimate(self, y: Tensor) -> Tensor:
        return self.first.initial_estimate(self.last.initial_estimate(y))

    def of_picture(self, index: int) -> Operator:
        return Compose(self.first.of_picture(index), self.last.of_picture(index))


class ComposeLinear(Iterative):
    """y = last(first(x)) for two linear operators, of any rank.

    The singular values of a product do not follow from those of its factors, so it is `Iterative`.
    """

    def __init__(self, first: Linear, last: Linear, iterations: int = 500, tolerance: float = 0.0) -> None:
        self.first, self.last = first, last
        self.iterations, self.tolerance = iterations, tolerance

    def __call__(self, x: Tensor) -> Tensor:
        return self.last(self.first(x))

    def adjoint(self, y: Tensor) -> Tensor:
        return self.first.adjoint(self.last.adjoint(y))

    def initial_estimate(self, y: Tensor) -> Tensor:
        return self.first.initial_estimate(self.last.initial_estimate(y))

    def of_picture(self, index: int) -> Operator:
        first, last = self.first.of_picture(index), self.last.of_picture(index)
        assert isinstance(first, Linear)
        assert isinstance(last, Linear)
        return ComposeLinear(first, last, self.iterations, self.tolerance)
