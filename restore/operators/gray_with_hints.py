"""Luma everywhere and colour at hints, for colorization with strokes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.operators.fill import guided_fill
from restore.operators.gray import REC601
from restore.operators.operator import Spectral


class GrayWithHints(Spectral):
    """Measures the luma of every pixel and the full colour at hints, (B, 3, H, W) -> (B, 3, H, W).

    y is x in an orthonormal basis of colour (luma direction, two chroma directions), with chroma set to 0 outside the hints.
    All singular values are 1. Channel 0 of y is that of `Gray` divided by the norm of its weights.

    Args:
        hints: bool (1, 1, H, W), true where the colour is known.
    """

    def __init__(self, hints: Tensor) -> None:
        self.keep = torch.cat([torch.ones_like(hints), hints, hints], dim=1)
        weights = torch.tensor(REC601, dtype=torch.float64)
        # By QR: the first column is the luma direction, the others span chroma.
        basis, _ = torch.linalg.qr(torch.cat([weights[:, None], torch.eye(3, dtype=torch.float64)[:, :2]], dim=1))
        self.basis = basis * torch.sign(basis[:, 0] @ weights)
        self.norm = float(weights.norm())

    @property
    def s(self) -> Tensor:
        return torch.ones(1, 1, 1, 1)

    def vt(self, x: Tensor) -> Tensor:
        return torch.einsum("ij,bihw->bjhw", self.basis.to(x), x) * self.keep.to(x.device)

    def v(self, coefficients: Tensor) -> Tensor:
        kept = coefficients * self.keep.to(coefficients.device)
        return torch.einsum("ij,bjhw->bihw", self.basis.to(coefficients), kept)

    def ut(self, y: Tensor) -> Tensor:
        return y * self.keep.to(y.device)

    def u(self, coefficients: Tensor) -> Tensor:
        return coefficients * self.keep.to(coefficients.device)

    def initial_estimate(self, y: Tensor) -> Tensor:
        # Fill x - luma, not the chroma coordinates: it is 0 in a gray area whatever its luma, chroma coordinates are not.
        known = torch.einsum("ij,bjhw->bihw", self.basis.to(y), y * self.keep.to(y.device))
        luma = y[:, :1] * self.norm
        return luma + guided_fill(known - luma, self.keep[:, 1:2].to(y.device), luma)

    def crop(self, box: tuple[int, int, int, int]) -> GrayWithHints:
        top, bottom, left, right = box
        return GrayWithHints(self.keep[:, 1:2, top:bottom, left:right])

    def resized(self, size: tuple[int, int]) -> GrayWithHints:
        # With the largest of several, because hints are few and all of the work depends on whether there are some.
        return GrayWithHints(F.adaptive_max_pool2d(self.keep[:, 1:2].float(), size) > 0)
