"""Luma, for colorization."""

from __future__ import annotations

import torch
from torch import Tensor

from restore.operators.operator import Operator, Spectral

REC601 = (0.299, 0.587, 0.114)  # Luma weights of OpenCV, Pillow and JPEG.


class Gray(Spectral):
    """y = w . x over channels, (B, 3, H, W) -> (B, 1, H, W); w are weights that sum to 1, by default those of Rec. 601.

    Not kornia's `rgb_to_grayscale`: the weights are free, and guidance needs the singular value decomposition.
    """

    def __init__(self, weights: tuple[float, float, float] = REC601) -> None:
        self.weights = torch.tensor(weights, dtype=torch.float64).reshape(1, 3, 1, 1)

    @property
    def s(self) -> Tensor:
        return self.weights.norm().reshape(1, 1, 1, 1)

    def vt(self, x: Tensor) -> Tensor:
        return (self._direction(x) * x).sum(dim=1, keepdim=True)

    def v(self, coefficients: Tensor) -> Tensor:
        return self._direction(coefficients) * coefficients

    def ut(self, y: Tensor) -> Tensor:
        return y

    def u(self, coefficients: Tensor) -> Tensor:
        return coefficients

    def initial_estimate(self, y: Tensor) -> Tensor:
        return y.expand(-1, 3, -1, -1).contiguous()

    def _direction(self, like: Tensor) -> Tensor:
        return (self.weights / self.weights.norm()).to(like.device, like.dtype)

    def crop(self, box: tuple[int, int, int, int]) -> Operator:
        return self  # It acts on each pixel alone.
