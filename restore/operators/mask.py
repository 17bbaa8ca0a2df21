"""Masking, for inpainting."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.errors import OperatorError
from restore.operators.operator import Operator, Spectral
from restore.operators.plate import plate_fill


class Mask(Spectral):
    """y = keep * x, (B, C, H, W) -> (B, C, H, W): missing pixels are 0.

    Args:
        keep: bool (1 or B, 1 or C, H, W), true where the pixel is known.

    Raises: OperatorError unless `keep` is bool with four dimensions.
    """

    def __init__(self, keep: Tensor) -> None:
        if keep.ndim != 4 or keep.dtype != torch.bool:
            raise OperatorError(f"Mask takes a bool tensor (B, C, H, W), got {tuple(keep.shape)} {keep.dtype}")
        self.keep = keep

    @property
    def s(self) -> Tensor:
        # Coefficients have the picture's shape; those of missing pixels are 0 in `vt` and `ut`.
        return torch.ones(1, 1, 1, 1)

    def vt(self, x: Tensor) -> Tensor:
        return x * self.keep.to(x.device)

    def v(self, coefficients: Tensor) -> Tensor:
        return coefficients * self.keep.to(coefficients.device)

    def ut(self, y: Tensor) -> Tensor:
        return y * self.keep.to(y.device)

    def u(self, coefficients: Tensor) -> Tensor:
        return coefficients * self.keep.to(coefficients.device)

    def prox(self, v: Tensor, y: Tensor, rho: Tensor | float) -> Tensor:
        # The formula of `Spectral` in one pass over the picture instead of seven. With weights of 0 and 1 lerp is exact.
        rho = torch.as_tensor(rho, dtype=v.dtype, device=v.device).reshape(-1, 1, 1, 1)
        return v.lerp(y.to(v), self.keep.to(v.device) / (1 + rho))

    def initial_estimate(self, y: Tensor) -> Tensor:
        return plate_fill(y, self.keep.to(y.device).expand_as(y).to(y.dtype))

    def missing_mask(self, shape: Sequence[int]) -> Tensor | None:
        return ~self.keep.all(dim=1, keepdim=True).all(dim=0, keepdim=True)

    def shown(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return y, self.keep.to(y.device).all(dim=1, keepdim=True)

    def to(self, device: torch.device) -> Operator:
        return Mask(self.keep.to(device))

    def of_picture(self, index: int) -> Operator:
        return Mask(self.keep[index : index + 1]) if len(self.keep) > 1 else self

    def crop(self, box: tuple[int, int, int, int]) -> Operator | None:
        top, bottom, left, right = box
        return Mask(self.keep[..., top:bottom, left:right])

    def resized(self, size: tuple[int, int]) -> Operator:
        return Mask(F.interpolate(self.keep.float(), size=size, mode="nearest") > 0)
