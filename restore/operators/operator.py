"""The interface of measurement operators A, with y = A(x) + sigma_y n."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor


class Operator(ABC):
    """A known forward operator A, differentiable in x (or with a straight-through gradient).

    Operators are immutable. The tensors that they hold are moved to the device and dtype of x or y in every call.
    """

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """A(x) without noise, for pictures x (B, C, H, W) in [-1, 1]; (B, ...), of a shape that depends on the operator."""

    @abstractmethod
    def pinv(self, y: Tensor) -> Tensor:
        """A picture (B, C, H, W) with `A(pinv(A(x))) == A(x)`. For linear operators, the pseudo-inverse A+ y."""

    def initial_estimate(self, y: Tensor) -> Tensor:
        """A plausible picture (B, C, H, W) for y, from which methods start. It must be cheap; A of it need not equal y."""
        return self.pinv(y)

    def missing_mask(self, shape: Sequence[int]) -> Tensor | None:
        """bool (1, 1, H, W), true at the pixels that noiseless y does not determine; None if no pixel is determined.

        The toolkit restores only these pixels and their surroundings.

        Args:
            shape: (B, C, H, W) of the pictures.
        """
        return None

    def shown(self, y: Tensor) -> tuple[Tensor, Tensor] | None:
        """What y holds of a picture as it is, but for noise; None if it shows no pixel of one.

        A prior can learn from it what pictures like this are. It may be another picture than the one wanted, as the small
        picture is of which a large one is wanted.

        Returns: a picture (B, C, h, w), and which pixels of it are shown, bool (B or 1, 1, h, w).
        """
        return None

    def to(self, device: torch.device) -> Operator:
        """The same operator with its tensors on a device, so that a run moves them once. Results do not depend on it."""
        return self

    def of_picture(self, index: int) -> Operator:
        """The operator of one picture of a batch: itself, unless it differs from picture to picture."""
        return self

    def crop(self, box: tuple[int, int, int, int]) -> Operator | None:
        """The operator on the window (top, bottom, left, right) alone: `A(x)` cropped equals `crop(A)(x cropped)`.

        None if y in a window depends on x outside it.
        """
        return None

    def resized(self, size: tuple[int, int]) -> Operator | None:
        """An operator of this kind for pictures of another size (H, W), whose methods do as much for each pixel.

        A plan is made on it. None if there is none.
        """
        return None


class Linear(Operator):
    """A linear operator: adds the adjoint, the proximal operator and a regularised inverse."""

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor:
        """A'y with <A x, y> == <x, A'y>."""

    @abstractmethod
    def prox(self, v: Tensor, y: Tensor, rho: Tensor | float) -> Tensor:
        """argmin_x |A x - y|^2 + rho |x - v|^2, (B, C, H, W). At rho = 0 the limit: the least-squares solution nearest v.

        Args:
            v: (B, C, H, W).
            y: as A returns it.
            rho: >= 0; a number, () or (B,).
        """

    @abstractmethod
    def solve(self, r: Tensor, scale: Tensor | float, shift: Tensor | float) -> Tensor:
        """(scale A A' + shift)^-1 r for r in the range of A, shaped like r. At shift = 0, the pseudo-inverse.

        Args:
            scale: > 0; a number, () or (B,).
            shift: >= 0; likewise.
        """


class Spectral(Linear):
    """A linear operator with a known singular value decomposition A = U diag(s) V'; the rest follows in closed form.

    Convention: `vt` maps pictures (B, C, H, W) to the coefficients V'x of the singular vectors with s > 0, (B, ...) with four
    dimensions; `v` is its adjoint. `ut` and `u` do the same for measurements. `s` broadcasts against coefficients.
    """

    @property
    @abstractmethod
    def s(self) -> Tensor:
        """The singular values, all positive."""

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
        # v + V diag(s / (s^2 + rho)) (U'y - s V'v), which leaves v unchanged outside the row space.
        s = self._s(y)
        rho = per_picture(rho, y)
        return v + self.v(s / (s**2 + rho) * (self.ut(y) - s * self.vt(v)))

    def solve(self, r: Tensor, scale: Tensor | float, shift: Tensor | float) -> Tensor:
        s = self._s(r)
        return self.u(self.ut(r) / (per_picture(scale, r) * s**2 + per_picture(shift, r)))

    def _s(self, like: Tensor) -> Tensor:
        return self.s.to(like.device, like.dtype)


def per_picture(value: Tensor | float, like: Tensor) -> Tensor:
    """A number, () or (B,), as a tensor that broadcasts over (B, C, H, W), with the device and dtype of `like`."""
    value = torch.as_tensor(value, device=like.device, dtype=like.dtype)
    return value.reshape(-1, 1, 1, 1) if value.ndim else value
