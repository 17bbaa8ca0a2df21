"""One degradation after another."""

from __future__ import annotations

from torch import Tensor

from restore.operators.operator import Operator


class Compose(Operator):
    """y = last(first(x)).

    Only `A(x)` and a picture that explains it are promised, whatever the two are: the spectrum of a product is not the
    product of the spectra. For two linear operators of small pictures, `Dense` factorizes the product.
    """

    def __init__(self, first: Operator, last: Operator) -> None:
        self.first, self.last = first, last

    def __call__(self, x: Tensor) -> Tensor:
        return self.last(self.first(x))

    def pinv(self, y: Tensor) -> Tensor:
        ...
