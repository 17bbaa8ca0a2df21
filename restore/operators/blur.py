"""Blur, for deblurring."""

from __future__ import annotations

import torch
from torch import Tensor

from restore.errors import OperatorError
from restore.operators.operator import Spectral


class Blur(Spectral):
    """y = k * x, a convolution with periodic boundary, (B, C, H, W) -> (B, C, H, W), the same in every channel.

    The SVD is real. In the Fourier basis F the convolution is K = |K| phase. The Hartley transform V = Re F - Im F (Hartley
    1942; Bracewell 1983) is real, orthonormal and its own inverse. |K| is even, so the filter |K| is diagonal in V, too, and
    the filter of the phases is real and orthogonal. So A = U diag(|K|) V' with U = phase V.

    Args:
        kernel: (h, w), its centre at (h // 2, w // 2); usually of sum 1.
        size: (H, W) of the picture, at least the kernel's.
        least: frequencies whose gain is at most this share of the largest are set to 0 in A and all that is derived from it,
            because y holds little but rounding errors there.

    Raises: OperatorError for a kernel that is not (h, w) or is larger than the picture.
    """

    def __init__(self, kernel: Tensor, size: tuple[int, int], least: float = 1e-3) -> None:
        height, width = kernel.shape[-2:]
        if kernel.ndim != 2 or height > size[0] or width > size[1]:
            raise OperatorError(f"Blur takes a kernel (h, w) no larger than the picture {size}, got {tuple(kernel.shape)}")
        spread = torch.zeros(size, dtype=torch.float64)
        spread[:height, :width] = kernel.double()
        response = torch.fft.fft2(spread.roll((-(height // 2), -(width // 2)), dims=(0, 1)))
        gain = response.abs()
        self._keep = gain > least * gain.max()
        self._gain = torch.where(self._keep, gain, 1.0)
        self._phase = torch.where(self._keep, response / self._gain, 1.0)

    @classmethod
    def gaussian(cls, size: tuple[int, int], deviation: float, least: float = 1e-3) -> Blur:
        """A Gaussian kernel of this standard deviation in pixels, truncated at 4 of them and at the picture's size.

        Raises: OperatorError unless the deviation is above 0.
        """
        if not deviation > 0:
            raise OperatorError(f"a Gaussian blur needs a standard deviation above 0, got {deviation}")
        from kornia.filters import get_gaussian_kernel1d  # Takes a third of a second to import.

        reach = [min(int(4 * deviation + 0.5), (length - 1) // 2) for length in size]
        rows, columns = (get_gaussian_kernel1d(2 * side + 1, deviation, dtype=torch.float64)[0] for side in reach)
        return cls(rows[:, None] * columns, size, least)

    @property
    def s(self) -> Tensor:
        # Coefficients have the picture's shape. Those of removed frequencies are 0 in `vt` and `ut`; their s is 1.
        return self._gain[None, None]

    def vt(self, x: Tensor) -> Tensor:
        return _hartley(x) * self._keep.to(x.device)

    def v(self, coefficients: Tensor) -> Tensor:
        return _hartley(coefficients * self._keep.to(coefficients.device))

    def ut(self, y: Tensor) -> Tensor:
        return self.vt(_filter(y, self._phase.conj()))

    def u(self, coefficients: Tensor) -> Tensor:
        return _filter(self.v(coefficients), self._phase)

    def initial_estimate(self, y: Tensor) -> Tensor:
        return y


def _hartley(x: Tensor) -> Tensor:
    transformed = torch.fft.fft2(x, norm="ortho")
    return transformed.real - transformed.imag


def _filter(x: Tensor, response: Tensor) -> Tensor:
    spectrum = torch.fft.fft2(x)
    return torch.fft.ifft2(spectrum * response.to(spectrum)).real
