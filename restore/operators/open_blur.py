"""Blur of a picture whose surroundings are not known."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.errors import OperatorError
from restore.operators.krylov import Map, relax
from restore.operators.operator import Linear, per_picture


class OpenBlur(Linear):
    """y = w (k * x), (B, C, H, W) -> (B, C, H, W): a convolution that reads beyond the border, where the values at the border
    continue the picture, with equations weighted by w.

    With a periodic boundary, as `Blur` has it, the opposite border leaks in, and restored pictures ring. But what lies beyond
    the border is not its continuation either. So equations count by how far they depend on it: with f the share of the kernel
    that lies outside at a pixel, the variance there is sigma_y^2 (1 + (doubt f)^2), and w is 1 over the root of the second
    factor. `weighted` makes y of a blurred picture.

    There is no closed form; `prox` and `solve` use conjugate gradients, preconditioned by the solution for a periodic picture.

    Args:
        kernel: (h, w), its centre at (h // 2, w // 2); usually of sum 1.
        size: (H, W) of the picture.
        doubt: standard deviation of what lies beyond the border about its continuation, in units of the noise.
        iterations: of conjugate gradients.

    Raises: OperatorError for a kernel that is not (h, w), or is larger than the picture, or of sum 0.
    """

    def __init__(self, kernel: Tensor, size: tuple[int, int], *, doubt: float = 0.0, iterations: int = 20) -> None:
        if kernel.ndim != 2 or any(side > whole for side, whole in zip(kernel.shape, size, strict=True)):
            raise OperatorError(f"OpenBlur takes a kernel (h, w) no larger than the picture {size}, got {tuple(kernel.shape)}")
        if not float(kernel.sum().abs()) > 1e-6 * float(kernel.abs().sum()):
            raise OperatorError("a blur kernel cannot have a sum of 0")
        height, width = kernel.shape
        self.kernel, self.size, self.iterations = kernel.double(), size, iterations
        # Margins (left, right, top, bottom) that the convolution reads.
        self._margins = (width - 1 - width // 2, width // 2, height - 1 - height // 2, height // 2)
        self._extent = size[0] + height - 1, size[1] + width - 1
        self._response = torch.fft.rfft2(self.kernel, s=self._extent)
        centred = torch.zeros(size, dtype=torch.float64)
        centred[:height, :width] = self.kernel
        centred = centred.roll((-(height // 2), -(width // 2)), dims=(0, 1))
        self._gain = torch.fft.rfft2(centred).abs() ** 2
        inside = F.pad(torch.ones(1, 1, *size, dtype=torch.float64), self._margins)
        outside = 1 - self._valid(inside) / self.kernel.sum()
        self.weights = 1 / (1 + (doubt * outside) ** 2).sqrt()  # (1, 1, H, W)
        self._mean_weight = float(self.weights.square().mean())

    def __call__(self, x: Tensor) -> Tensor:
        return self.weighted(self._valid(F.pad(x, self._margins, mode="replicate")))

    def weighted(self, picture: Tensor) -> Tensor:
        """What a blurred picture (B, C, H, W) is as y."""
        return self.weights.to(picture) * picture

    def adjoint(self, y: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(self.weights.to(y) * y, s=self._extent)
        # Valid results lie after the first (h - 1, w - 1) of the full convolution.
        shift = self.kernel.shape[0] - 1, self.kernel.shape[1] - 1
        spread = torch.fft.irfft2(spectrum * self._response.conj().to(spectrum), s=self._extent)
        return self._fold(spread.roll(shift, dims=(-2, -1)))

    def pinv(self, y: Tensor) -> Tensor:
        return self.prox(torch.zeros_like(y), y, 0.0)

    def prox(self, v: Tensor, y: Tensor, rho: Tensor | float) -> Tensor:
        # v + (A'A + rho)^-1 A'(y - A v).
        rho = per_picture(rho, y)
        residual = self.adjoint(y - self(v))
        return v + self._solved(lambda x: self.adjoint(self(x)) + rho * x, residual, 1.0, rho)

    def solve(self, r: Tensor, scale: Tensor | float, shift: Tensor | float) -> Tensor:
        scale, shift = per_picture(scale, r), per_picture(shift, r)
        return self._solved(lambda z: scale * self(self.adjoint(z)) + shift * z, r, scale, shift)

    def initial_estimate(self, y: Tensor) -> Tensor:
        """The blurred picture."""
        return y / self.weights.to(y)

    def _solved(self, matrix: Map, b: Tensor, scale: Tensor | float, shift: Tensor | float) -> Tensor:
        gain = self._gain.to(b)
        inverse = 1 / torch.as_tensor(scale * self._mean_weight * gain + shift).clamp_min(1e-6 * float(gain.max()))

        def precondition(r: Tensor) -> Tensor:
            return torch.fft.irfft2(torch.fft.rfft2(r) * inverse, s=self.size)

        return relax(matrix, torch.zeros_like(b), b, self.iterations, precondition)

    def _valid(self, padded: Tensor) -> Tensor:
        """The convolution where the kernel lies inside (B, C, H + h - 1, W + w - 1)."""
        full = torch.fft.irfft2(torch.fft.rfft2(padded) * self._response.to(padded.device, _complex(padded)), s=self._extent)
        return full[..., self.kernel.shape[0] - 1 :, self.kernel.shape[1] - 1 :]

    def _fold(self, spread: Tensor) -> Tensor:
        """The adjoint of continuing a picture by the values at its border."""
        left, _, top, _ = self._margins
        height, width = self.size
        x = spread[..., top : top + height, :].clone()
        x[..., 0, :] += spread[..., :top, :].sum(dim=-2)
        x[..., -1, :] += spread[..., top + height :, :].sum(dim=-2)
        found = x[..., left : left + width].clone()
        found[..., 0] += x[..., :left].sum(dim=-1)
        found[..., -1] += x[..., left + width :].sum(dim=-1)
        return found


def _complex(x: Tensor) -> torch.dtype:
    return torch.complex128 if x.dtype == torch.float64 else torch.complex64
