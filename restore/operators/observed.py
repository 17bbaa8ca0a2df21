"""What is known of a measurement of which parts are damaged, colourless or quantized."""

from __future__ import annotations

import torch
from torch import Tensor

from restore.operators.constraint import Constraint


class Observed(Constraint):
    """Measurements that agree with y where it can be trusted, and may be anything elsewhere.

    With it `Problem` takes damaged samples for missing ones whatever its operator: a step first puts A x in their place, which
    is expectation maximisation (Dempster et al. 1977), and then solves for all samples in the operator's own closed form. For
    the identity this is what `Mask` does.

    Args:
        y: (1, C, H, W) in [-1, 1], damage included.
        keep: bool (1, 1, H, W), false where y is damaged.
        hints: bool (1, 1, H, W), true where the colour of y is known; elsewhere only the mean of its channels is. None if it
            is known everywhere.
        cells: the set that y as a whole lies in, damage included, as it was compressed with it.
    """

    def __init__(self, y: Tensor, keep: Tensor, *, hints: Tensor | None = None, cells: Constraint | None = None) -> None:
        self.y, self.keep, self.hints, self.cells = y, keep, hints, cells
        self.instead_of_noise = cells is not None

    def project(self, y: Tensor) -> Tensor:
        return self._seen(y, None)

    def prox(self, v: Tensor, rho: Tensor | float) -> Tensor:
        return self._seen(v, rho)

    def to(self, device: torch.device) -> Constraint:
        hints = None if self.hints is None else self.hints.to(device)
        cells = None if self.cells is None else self.cells.to(device)
        return Observed(self.y.to(device), self.keep.to(device), hints=hints, cells=cells)

    def crop(self, box: tuple[int, int, int, int]) -> Constraint | None:
        top, bottom, left, right = box
        window = (..., slice(top, bottom), slice(left, right))
        cells = None if self.cells is None else self.cells.crop(box)
        if (cells is None) != (self.cells is None):
            return None
        hints = None if self.hints is None else self.hints[window]
        return Observed(self.y[window], self.keep[window], hints=hints, cells=cells)

    def _seen(self, v: Tensor, rho: Tensor | float | None) -> Tensor:
        keep, y = self.keep.to(v.device), self.y.to(v)
        if self.cells is None:
            found = y
        else:
            # What was compressed is A x where y is whole, and the damage elsewhere.
            compressed = v.where(keep, y)
            found = self.cells.project(compressed) if rho is None else self.cells.prox(compressed, rho)
        if self.hints is not None:
            gray = v + (found - v).mean(dim=1, keepdim=True)
            found = found.where(self.hints.to(v.device), gray)
        return found.where(keep, v)
