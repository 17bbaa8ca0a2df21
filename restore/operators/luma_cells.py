"""What a gray JPEG says of a colour picture with hints."""

from __future__ import annotations

import torch
from torch import Tensor

from restore.operators.constraint import Constraint
from restore.operators.gray_with_hints import GrayWithHints


class LumaCells(Constraint):
    """Measurements of `GrayWithHints` whose luma lies in the cells of a JPEG, and whose chroma is that of y.

    Args:
        y: (1, 3, H, W), as the operator returns it.
        operator: whose channel 0 is luma over the norm of its weights.
        cells: a set of gray pictures (B, 1, H, W).
    """

    def __init__(self, y: Tensor, operator: GrayWithHints, cells: Constraint) -> None:
        self.y, self.operator, self.cells = y, operator, cells

    def project(self, y: Tensor) -> Tensor:
        return self._with(self.cells.project(y[:, :1] * self.operator.norm))

    def prox(self, v: Tensor, rho: Tensor | float) -> Tensor:
        # Channel 0 is luma over the norm, so rho |y - v|^2 is rho over the squared norm of lumas.
        return self._with(self.cells.prox(v[:, :1] * self.operator.norm, rho / self.operator.norm**2))

    def to(self, device: torch.device) -> Constraint:
        return LumaCells(self.y.to(device), self.operator, self.cells.to(device))

    def crop(self, box: tuple[int, int, int, int]) -> Constraint | None:
        top, bottom, left, right = box
        cells = self.cells.crop(box)
        if cells is None:
            return None
        return LumaCells(self.y[..., top:bottom, left:right], self.operator.crop(box), cells)

    def _with(self, luma: Tensor) -> Tensor:
        chroma = self.y[:, 1:].to(luma).expand(len(luma), -1, -1, -1)
        return torch.cat([luma / self.operator.norm, chroma], dim=1)
