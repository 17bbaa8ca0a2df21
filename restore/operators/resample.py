"""Downsampling, for super-resolution."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.errors import OperatorError
from restore.operators.operator import Spectral


class Separable(Spectral):
    """y = R x C' with one matrix over rows and one over columns, the same in every channel; (B, C, H, W) -> (B, C, h, w).

    The SVD of a Kronecker product is the Kronecker product of the SVDs. So two small dense factorizations give the singular
    values, pseudo-inverse and proximal operator exactly, borders included.

    Args:
        rows: (h, H) float64, full rank, h <= H.
        columns: (w, W) float64, full rank, w <= W.

    Raises: OperatorError for a matrix without full rank.
    """

    def __init__(self, rows: Tensor, columns: Tensor) -> None:
        self._rows = torch.linalg.svd(rows.double(), full_matrices=False)
        self._columns = self._rows if columns is rows else torch.linalg.svd(columns.double(), full_matrices=False)
        for matrix, (_, s, _) in ((rows, self._rows), (columns, self._columns)):
            if s[-1] <= 1e-10 * s[0]:
                raise OperatorError(f"a resampling matrix {tuple(matrix.shape)} must have full rank")

    @property
    def s(self) -> Tensor:
        return (self._rows[1][:, None] * self._columns[1])[None, None]

    def vt(self, x: Tensor) -> Tensor:
        return self._rows[2].to(x) @ x @ self._columns[2].to(x).T

    def v(self, coefficients: Tensor) -> Tensor:
        return self._rows[2].to(coefficients).T @ coefficients @ self._columns[2].to(coefficients)

    def ut(self, y: Tensor) -> Tensor:
        return self._rows[0].to(y).T @ y @ self._columns[0].to(y)

    def u(self, coefficients: Tensor) -> Tensor:
        return self._rows[0].to(coefficients) @ coefficients @ self._columns[0].to(coefficients).T


class Downsample(Separable):
    """Downsampling by an integer factor, (B, C, H, W) -> (B, C, H/scale, W/scale).

    Args:
        size: (H, W) of the large picture, multiples of scale.
        scale: integer factor, at least 1.
        kernel: "bicubic", the antialiased cubic kernel (a = -0.5) of Pillow and torch, renormalised at the border; or "box",
            the mean of scale x scale blocks.

    Raises: OperatorError for another kernel, or a size that the scale does not divide.
    """

    def __init__(self, size: tuple[int, int], scale: int, kernel: str = "bicubic") -> None:
        if kernel not in {"bicubic", "box"}:
            raise OperatorError(f"unknown kernel {kernel!r}; known: bicubic, box")
        if scale < 1 or size[0] % scale or size[1] % scale:
            raise OperatorError(f"size {size} is not a multiple of the scale {scale}")
        self.scale = scale
        rows = _reduction(size[0], scale, kernel)
        super().__init__(rows, rows if size[0] == size[1] else _reduction(size[1], scale, kernel))

    def initial_estimate(self, y: Tensor) -> Tensor:
        return F.interpolate(y, scale_factor=self.scale, mode="bicubic", align_corners=False)


def _reduction(length: int, scale: int, kernel: str) -> Tensor:
    """The (length/scale, length) matrix, made by downsampling unit vectors."""
    units = torch.eye(length, dtype=torch.float64)[None, None]
    small = (length // scale, length)
    if kernel == "box":
        return F.avg_pool2d(units, (scale, 1))[0, 0]
    return F.interpolate(units, size=small, mode="bicubic", antialias=True, align_corners=False)[0, 0]
