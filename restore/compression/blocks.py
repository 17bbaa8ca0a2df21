"""Blocks of a decoded picture, as its JPEG had them: luma, chroma at half size, DCT coefficients."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.operators.jpeg import TO_YCC, to_blocks

BLOCKS = 1000  # Blocks that are looked at.


def planes_of(pixels: Tensor) -> Tensor:
    """Luma, or luma and chroma, in grey levels around 0."""
    levels = pixels * 127.5 - 0.5
    return levels if pixels.shape[1] == 1 else torch.einsum("ij,bjhw->bihw", torch.tensor(TO_YCC).to(pixels), levels)


def some_blocks(plane: Tensor, unclipped: Tensor, origin: tuple[int, int], count: int = BLOCKS) -> Tensor:
    """Coefficients (N, 64) of whole blocks, spread over the picture; without those that hold clipped pixels."""
    top, left = (-start % 8 for start in origin)
    height, width = ((side - start) // 8 * 8 for side, start in zip(plane.shape, (top, left), strict=True))
    window = slice(top, top + height), slice(left, left + width)
    usable = -F.max_pool2d(-unclipped[window][None, None], 8)[0, 0].flatten() > 0
    coefficients = to_blocks(plane[window][None, None])[0, 0].flatten(0, 1).flatten(1)[usable]
    return coefficients[:: max(1, len(coefficients) // count)]


def at_half_size(chroma: Tensor) -> Tensor:
    """Chroma (1, 1, 2 h, 2 w) as it was before libjpeg's interpolation: means of 2x2 pixels, sharpened by as much as the
    interpolation blurred them."""
    half = F.avg_pool2d(chroma, 2)
    for axis in (-2, -1):
        half = _sharpened(half.transpose(axis, -1)).transpose(axis, -1)
    return half


def _sharpened(rows: Tensor) -> Tensor:
    """The inverse of the filter (1, 6, 1) / 8 along the last axis, ends repeated, as of `sharp - (sharp - blurred)` in turn."""
    sharp = rows
    for _ in range(12):  # The rest of the error halves each time.
        padded = F.pad(sharp, (1, 1, 0, 0), mode="replicate")
        sharp = sharp + rows - (padded[..., :-2] + 6 * sharp + padded[..., 2:]) / 8
    return sharp
