"""The identity, for denoising."""

from __future__ import annotations

import torch
from torch import Tensor

from restore.operators.operator import Operator, Spectral


class Identity(Spectral):
    """y = x. Every singular value is 1."""

    @property
    def s(self) -> Tensor:
        return torch.ones(1, 1, 1, 1)

    def vt(self, x: Tensor) -> Tensor:
        return x

    def v(self, coefficients: Tensor) -> Tensor:
        return coefficients

    def ut(self, y: Tensor) -> Tensor:
        return y

    def u(self, coefficients: Tensor) -> Tensor:
        return coefficients

    def shown(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return y, torch.ones_like(y[:1, :1], dtype=torch.bool)

    def crop(self, box: tuple[int, int, int, int]) -> Operator:
        return self

    def resized(self, size: tuple[int, int]) -> Operator:
        return self
