"""Compositions of two operators."""

from __future__ import annotations

from torch import Tensor

from restore.operators.krylov import conjugate_gradients
from restore.operators.operator import Linear, Operator, per_picture


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


class ComposeLinear(Linear):
    """y = last(first(x)) for two linear operators, of any rank.

    The singular values of a product do not follow from those of its factors, so `pinv`, `prox` and `solve` use conjugate
    gradients.

    Args:
        iterations: the largest number; each picture stops when its residual is down to rounding error.
    """

    def __init__(self, first: Linear, last: Linear, iterations: int = 500) -> None:
        self.first, self.last, self.iterations = first, last, iterations

    def __call__(self, x: Tensor) -> Tensor:
        return self.last(self.first(x))

    def adjoint(self, y: Tensor) -> Tensor:
        return self.first.adjoint(self.last.adjoint(y))

    def pinv(self, y: Tensor) -> Tensor:
        b = self.adjoint(y)
        return conjugate_gradients(lambda x: self.adjoint(self(x)), b, self.iterations)

    def prox(self, v: Tensor, y: Tensor, rho: Tensor | float) -> Tensor:
        # v + (A'A + rho)^-1 A'(y - A v). Conjugate gradients from 0 keep the change in the row space, also for rho = 0.
        rho = per_picture(rho, y)
        moved = self.adjoint(y - self(v))
        return v + conjugate_gradients(lambda x: self.adjoint(self(x)) + rho * x, moved, self.iterations)

    def solve(self, r: Tensor, scale: Tensor | float, shift: Tensor | float) -> Tensor:
        scale, shift = per_picture(scale, r), per_picture(shift, r)
        return conjugate_gradients(lambda z: scale * self(self.adjoint(z)) + shift * z, r, self.iterations)

    def initial_estimate(self, y: Tensor) -> Tensor:
        return self.first.initial_estimate(self.last.initial_estimate(y))
