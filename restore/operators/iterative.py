"""Linear operators that are known by their products alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from restore.errors import OperatorError
from restore.operators.krylov import Map, conjugate_gradients
from restore.operators.operator import Linear, per_picture


class Iterative(Linear):
    """A linear operator, of any rank, of which A x and A'y are known: `pinv`, `prox` and `solve` use conjugate gradients.

    Attributes:
        iterations: the largest number; each picture stops when its residual is down to rounding error,
        tolerance: or to this share of the right-hand side.
    """

    iterations = 500
    tolerance = 0.0

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor: ...

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor: ...

    def pinv(self, y: Tensor) -> Tensor:
        return self._solved(lambda x: self.adjoint(self(x)), self.adjoint(y))

    def prox(self, v: Tensor, y: Tensor, rho: Tensor | float) -> Tensor:
        # v + (A'A + rho)^-1 A'(y - A v). Conjugate gradients from 0 keep the change in the row space, also for rho = 0.
        rho = per_picture(rho, y)
        moved = self.adjoint(y - self(v))
        return v + self._solved(lambda x: self.adjoint(self(x)) + rho * x, moved)

    def solve(self, r: Tensor, scale: Tensor | float, shift: Tensor | float) -> Tensor:
        scale, shift = per_picture(scale, r), per_picture(shift, r)
        return self._solved(lambda z: scale * self(self.adjoint(z)) + shift * z, r)

    def _solved(self, matrix: Map, b: Tensor) -> Tensor:
        return conjugate_gradients(matrix, b, self.iterations, tolerance=self.tolerance)


class LinearFunction(Iterative):
    """A linear operator from a function that torch can differentiate; the adjoint is its derivative (reverse mode).

        every_third_row_lost = LinearFunction(lambda x: x[..., torch.arange(x.shape[-2]) % 3 != 2, :], (3, 256, 256))

    Args:
        function: pictures (B, C, H, W) -> (B, c, h, w), linear: without a constant.
        shape: (C, H, W) of the pictures.
        iterations: see `Iterative`.
        tolerance: see `Iterative`.

    Raises: OperatorError for a function that does not take such pictures, has a constant, or loses the gradient.
    """

    def __init__(
        self, function: Callable[[Tensor], Tensor], shape: Sequence[int], iterations: int = 500, tolerance: float = 0.0
    ) -> None:
        self.function, self.shape = function, tuple(shape)
        self.iterations, self.tolerance = iterations, tolerance
        nothing = torch.zeros(1, *self.shape)
        try:
            y = function(nothing)
        except RuntimeError as error:
            raise OperatorError(f"the function does not take pictures {(1, *self.shape)}: {error}") from None
        if not isinstance(y, Tensor) or y.ndim != 4 or y.shape[0] != 1:
            found = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
            raise OperatorError(f"the function makes {found} of one picture, not (1, c, h, w)")
        if bool(y.any()):
            raise OperatorError("the function is not linear: of a picture of zeros it makes other values")
        try:
            self.adjoint(y)
        except RuntimeError as error:
            raise OperatorError(f"the function has no gradient that torch knows: {error}") from None

    def __call__(self, x: Tensor) -> Tensor:
        return self.function(x)

    def adjoint(self, y: Tensor) -> Tensor:
        with torch.enable_grad():
            x = torch.zeros(y.shape[0], *self.shape, dtype=y.dtype, device=y.device, requires_grad=True)
            measured = self.function(x)
        # A graph of the product is kept where y has one, as methods differentiate through steps.
        (found,) = torch.autograd.grad(measured, x, y, create_graph=y.requires_grad)
        return found
