"""The quantized coefficients of one component of a JPEG."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.operators.jpeg import from_blocks, to_blocks

LEAST = 1.0  # Grey levels; half an interval is no narrower, as encoder and decoder round samples to integers.


@dataclass(frozen=True, eq=False)
class CellPlane:
    """The quantized coefficients of one component of a JPEG.

    Attributes:
        index: (R, C, 8, 8) int16, coefficients of R x C blocks as multiples of the table.
        known: (R, C) bool, false for blocks of which nothing is known.
        table: (8, 8) quantization table, lowest frequency first, in grey levels.
        ratio: (vertical, horizontal), how many pixels a sample is the mean of: (2, 2) for chroma of 4:2:0.
        margin: grey levels by which the coefficients may be wrong, which widens intervals.
    """

    index: Tensor
    known: Tensor
    table: Tensor
    ratio: tuple[int, int] = (1, 1)
    margin: float = 0.0

    @property
    def block(self) -> tuple[int, int]:
        """(height, width) of a block in pixels."""
        return 8 * self.ratio[0], 8 * self.ratio[1]

    def correction(self, plane: Tensor, width: float, rho: Tensor | None = None) -> Tensor:
        """What has to be added to a plane (B, 1, h, w) of whole blocks, in grey levels around 0, to bring it into its cells.

        With `rho` (B, 1, 1, 1, 1, 1), in 1 / grey levels^2, first towards their middle: rounding errors have the variance
        q^2 / 12, and the weighted mean of middle and plane is the proximal point of a Gaussian of that variance.
        Samples are means of `ratio` pixels and the DCT is orthonormal, so the least change repeats each sample's change over
        its pixels.
        """
        shrinks = self.ratio != (1, 1)
        coefficients = to_blocks(F.avg_pool2d(plane, self.ratio) if shrinks else plane)
        table = self.table.to(plane)
        half = (table * (width / 2)).clamp(min=LEAST) + self.margin
        centre = self.index.to(plane) * table
        # Samples are means of several pixels, whose change costs as many times as much.
        kept = 1.0 if rho is None else 1 / (1 + 12 / (table**2 * rho * math.prod(self.ratio)))
        moved = (centre + kept * (coefficients - centre)).clamp(centre - half, centre + half) - coefficients
        change = from_blocks(moved.where(self.known[..., None, None], torch.zeros((), dtype=plane.dtype, device=plane.device)))
        return F.interpolate(change, scale_factor=self.ratio, mode="nearest") if shrinks else change

    def padded(self, rows: int, columns: int) -> CellPlane:
        """The same with unknown blocks below and to the right, up to so many."""
        below, right = rows - len(self.index), columns - self.index.shape[1]
        index = F.pad(self.index, (0, 0, 0, 0, 0, right, 0, below))
        return replace(self, index=index, known=F.pad(self.known, (0, right, 0, below)))

    def part(self, rows: slice, columns: slice) -> CellPlane:
        """Some of the blocks."""
        return replace(self, index=self.index[rows, columns], known=self.known[rows, columns])
