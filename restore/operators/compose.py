"""One degradation after another."""

from __future__ import annotations

from torch import Tensor

from restore.operators.krylov import conjugate_gradients
from restore.operators.operator import Linear, Operator, per_picture


class Compose(Operator):
    """y = last(first(x)).

    `first` must reach every picture that `last` takes (`Downsample`, `Gray`, a blur that loses no frequency do): only then is
    `first.pinv(last.pinv(y))` a picture that explains y. For two linear operators see `ComposeLinear`.
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

    The spectrum of a product is not the product of the spectra, so everything that divides is solved by conjugate gradients.

    Args:
        iterations: at most; a picture stops when rounding is all that is left.
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
        # v + (A'A + rho)^-1 A'(y - A v): started at 0, the move stays in the row space, also where rho = 0.
        rho = per_picture(rho, y)
        moved = self.adjoint(y - self(v))
        return v + conjugate_gradients(lambda x: self.adjoint(self(x)) + rho * x, moved, self.iterations)

    def solve(self, r: Tensor, scale: Tensor | float, shift: Tensor | float) -> Tensor:
        scale, shift = per_picture(scale, r), per_picture(shift, r)
        return conjugate_gradients(lambda z: scale * self(self.adjoint(z)) + shift * z, r, self.iterations)

    def initial_estimate(self, y: Tensor) -> Tensor:
        return self.first.initial_estimate(self.last.initial_estimate(y))
