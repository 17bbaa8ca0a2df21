"""JPEG compression."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.errors import OperatorError
from restore.operators.operator import Operator

# ITU-T T.81, tables K.1 and K.2.
LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99, 99, 99, 99, 99, 99, 99, 99),) * 4,
)
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # JFIF 1.02.


# Not kornia's codec: it approximates rounding by a polynomial, so its output differs from a decoder's and changes when it is
# compressed again.
class JPEG(Operator):
    """Compression and decompression, (B, 1 or 3, H, W) -> the same shape, before the decoder rounds to 8 bits.

    Colour is converted to YCbCr, chroma is subsampled (4:2:0), and the DCT coefficients of 8x8 blocks are rounded to multiples
    of the quantization tables of ITU-T T.81, scaled by quality as in the Independent JPEG Group's library. The gradient is
    straight-through: that of the same chain without rounding.

    Args:
        quality: 1 to 100.
        subsample: halve the chroma planes in both directions.

    Raises: OperatorError for another quality; when called, for another number of channels, or unless H and W are multiples of
    8, or of 16 for subsampled colour.
    """

    def __init__(self, quality: int, subsample: bool = True) -> None:
        if not 1 <= quality <= 100:
            raise OperatorError(f"JPEG quality lies between 1 and 100, got {quality}")
        self.quality, self.subsample = quality, subsample
        self._luma, self._chroma = tables(quality)
        self._to_ycc = torch.tensor(TO_YCC, dtype=torch.float64)

    def __call__(self, x: Tensor) -> Tensor:
        channels, height, width = x.shape[1:]
        side = 16 if self.subsample and channels == 3 else 8
        if channels not in {1, 3} or height % side or width % side:
            raise OperatorError(f"JPEG takes 1 or 3 channels and sides that are multiples of {side}, got {tuple(x.shape)}")
        levels = (x + 1) * 127.5
        if channels == 1:
            return self._quantized(levels - 128, self._luma).add(128) / 127.5 - 1
        planes = torch.einsum("ij,bjhw->bihw", self._to_ycc.to(x), levels)
        luma, chroma = planes[:, :1] - 128, planes[:, 1:]
        luma = self._quantized(luma, self._luma) + 128
        if self.subsample:
            chroma = F.interpolate(self._quantized(F.avg_pool2d(chroma, 2), self._chroma), scale_factor=2, mode="nearest")
        else:
            chroma = self._quantized(chroma, self._chroma)
        back = torch.linalg.inv(self._to_ycc).to(x)
        return torch.einsum("ij,bjhw->bihw", back, torch.cat([luma, chroma], dim=1)) / 127.5 - 1

    def pinv(self, y: Tensor) -> Tensor:
        return y  # Compressing a decoded picture again with the same tables does not change it.

    def _quantized(self, plane: Tensor, table: Tensor) -> Tensor:
        table = table.to(plane)
        coefficients = to_blocks(plane) / table
        # Straight-through estimator: rounded in value, the identity in gradient.
        coefficients = coefficients + (coefficients.round() - coefficients).detach()
        return from_blocks(coefficients * table)


def tables(quality: int) -> Tensor:
    """The quantization tables (2, 8, 8) of luma and chroma, float64: T.81's, scaled as in the Independent JPEG Group's library.

    Args:
        quality: 1 to 100.
    """
    share = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((torch.tensor((LUMA, CHROMA), dtype=torch.float64) * share + 50) / 100).floor().clamp(1, 255)


def to_blocks(plane: Tensor) -> Tensor:
    """The orthonormal DCT-II of 8x8 blocks: (B, C, 8 R, 8 S) -> (B, C, R, S, 8, 8), lowest frequencies first."""
    dct, (height, width) = _DCT.to(plane), plane.shape[-2:]
    blocks = plane.reshape(*plane.shape[:-2], height // 8, 8, width // 8, 8).transpose(-3, -2)
    return dct @ blocks @ dct.T


def from_blocks(coefficients: Tensor) -> Tensor:
    """The inverse of `to_blocks`."""
    dct, (rows, columns) = _DCT.to(coefficients), coefficients.shape[-4:-2]
    blocks = dct.T @ coefficients @ dct
    return blocks.transpose(-3, -2).reshape(*coefficients.shape[:-4], 8 * rows, 8 * columns)


_INDEX = torch.arange(8, dtype=torch.float64)
_DCT = torch.cos(math.pi / 8 * (_INDEX + 0.5) * _INDEX[:, None]) / 2
_DCT[0] /= math.sqrt(2)
