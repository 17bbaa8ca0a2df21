"""What was measured: y = A(x)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor


class Operator(ABC):
    """A known degradation, differentiable in x (or straight-through).

    Operators are immutable and follow their input: tensors they hold are moved to the device and dtype of x or y.
    """

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """Degrades a picture x (B, C, H, W); the shape of the answer is the operator's own."""

    @abstractmethod
    def pinv(self, y: Tensor) -> Tensor:
        """A picture that explains y: `A(pinv(A(x))) == A(x)`. For linear operators, the pseudo-inverse."""

    def initial_estimate(self, y: Tensor) -> Tensor:
        """A cheap plausible picture for y, where an estimator starts. Need not explain y exactly."""
        return self.pinv(y)

    def missing_mask(self, shape: Sequence[int]) -> Tensor | None:
        """bool (1, 1, H, W), true where noiseless y leaves the picture open; None if that is everywhere.

        Work outside it is not needed: inpainting crops to it.
        """
        return None

    def to(self, device: torch.device) -> Operator:
        """The same with what it holds on a device, so that it is moved once in a run; every answer is the same without."""
        return self

    def crop(self, box: tuple[int, int, int, int]) -> Operator | None:
        """The same measurement of the window (top, bottom, left, right) alone, or None if windows are not independent.

        Then `A(x)` cropped equals `crop(A)(x cropped)`.
        """
        return None


class Linear(Operator):
    """A linear operator: adds the adjoint and the proximal point."""

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor:
        """A'y with <A x, y> == <x, A'y>."""

    @abstractmethod
    def prox(self, v: Tensor, y: Tensor, rho: Tensor | float) -> Tensor:
        """argmin_x |A x - y|^2 + rho |x - v|^2, for rho >= 0; at rho = 0 the limit: the x nearest v that explains y best."""

    @abstractmethod
    def solve(self, r: Tensor, scale: Tensor | float, shift: Tensor | float) -> Tensor:
        """(scale A A' + shift)^-1 r on the range of A; shift >= 0, and 0 means the pseudo-inverse."""


class Spectral(Linear):
    """A = U diag(s) V': singular values at hand, so everything follows in closed form.

    Convention: `vt` maps pictures (B, C, H, W) to spectral coefficients shaped like `s`, orthonormally, keeping only those
    with s > 0; `v` maps back; `u` and `ut` do so for measurements. `s` broadcasts against coefficients.
    """

    @property
    @abstractmethod
    def s(self) -> Tensor:
        """Singular values, all positive."""

    @abstractmethod
    def vt(self, x: Tensor) -> Tensor: ...

    @abstractmethod
    def v(self, coefficients: Tensor) -> Tensor: ...

    @abstractmethod
    def ut(self, y: Tensor) -> Tensor: ...

    @abstractmethod
    def u(self, coefficients: Tensor) -> Tensor: ...

    def __call__(self, x: Tensor) -> Tensor:
        return self.u(self._s(x) * self.vt(x))

    def adjoint(self, y: Tensor) -> Tensor:
        return self.v(self._s(y) * self.ut(y))

    def pinv(self, y: Tensor) -> Tensor:
        return self.v(self.ut(y) / self._s(y))

    def prox(self, v: Tensor, y: Tensor, rho: Tensor | float) -> Tensor:
        # v + V diag(s / (s^2 + rho)) (U'y - s V'v): outside the row space v stays as it is.
        s = self._s(y)
        rho = per_picture(rho, y)
        return v + self.v(s / (s**2 + rho) * (self.ut(y) - s * self.vt(v)))

    def solve(self, r: Tensor, scale: Tensor | float, shift: Tensor | float) -> Tensor:
        s = self._s(r)
        return self.u(self.ut(r) / (per_picture(scale, r) * s**2 + per_picture(shift, r)))

    def _s(self, like: Tensor) -> Tensor:
        return self.s.to(like.device, like.dtype)


def per_picture(value: Tensor | float, like: Tensor) -> Tensor:
    """A number, () or (B,) shaped to broadcast over (B, C, H, W) coefficients."""
    value = torch.as_tensor(value, device=like.device, dtype=like.dtype)
    return value.reshape(-1, 1, 1, 1) if value.ndim else value
