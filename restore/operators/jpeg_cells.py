"""What a JPEG says of its original: the interval in which each DCT coefficient lay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.errors import OperatorError
from restore.operators.cell_plane import CellPlane
from restore.operators.constraint import Constraint
from restore.operators.jpeg import TO_YCC
from restore.operators.turning import Box, box_turned_back, turned, turned_back

ROUNDS = 60  # Gradient steps where blocks reach beyond the picture.
SETTLED = 1e-2  # Grey levels: the largest change in a step at which they stop.


class JPEGCells(Constraint):
    """Pictures that a JPEG may have been made of: each DCT coefficient lies in the interval that was rounded to its value.

    The picture (B, 3, H, W) in [-1, 1] becomes YCbCr (JFIF 1.02), chroma the means of 1, 2 or 4 pixels, and every plane 8x8
    blocks; coefficient k of a table entry q lies in q (k - 1/2, k + 1/2). Projection is exact in one step, and nearest in the
    Euclidean norm of YCbCr: conversion apart, all steps are orthogonal. Blocks that reach beyond the picture constrain it
    together with whatever may lie outside, which is found iteratively. A gray picture (B, 1, H, W) is held to the luma of a
    colour JPEG, and a colour picture to that of a gray one.

    The truth lies in the middle of its interval more often than at the ends, above all in the wide ones of high frequencies,
    where most coefficients are near 0; projecting on shrunk intervals (`width` below 1) therefore comes closer to it.

    Args:
        planes: luma, or luma and two of chroma.
        size: (height, width) of the picture in pixels, as the file has it, before EXIF orientation.
        origin: where the picture begins on the grid of blocks (row, column), in pixels.
        orientation: EXIF orientation, 1 to 8, which has been applied to pictures.
        width: of the intervals, as a share of what the encoder rounds, above 0 to 1.

    Raises: OperatorError for a width outside (0, 1], or planes that do not cover the picture.
    """

    def __init__(
        self,
        planes: Sequence[CellPlane],
        size: tuple[int, int],
        *,
        origin: tuple[int, int] = (0, 0),
        orientation: int = 1,
        width: float = 1.0,
    ) -> None:
        if not 0 < width <= 1:
            raise OperatorError(f"the width of JPEG cells is a share above 0 and at most 1, got {width}")
        if len(planes) not in (1, 3):
            raise OperatorError(f"a JPEG has 1 plane or 3, got {len(planes)}")
        # Whole coding units: the largest block of any component.
        self.unit = max(plane.block[0] for plane in planes), max(plane.block[1] for plane in planes)
        rows, columns = (-(-(start + side) // unit) for start, side, unit in zip(origin, size, self.unit, strict=True))
        self.extent = rows * self.unit[0], columns * self.unit[1]
        self.size, self.origin, self.orientation, self.width = size, origin, orientation, width
        found = []
        for plane in planes:
            height, width_of_block = plane.block
            if len(plane.index) * height < origin[0] + size[0] or plane.index.shape[1] * width_of_block < origin[1] + size[1]:
                raise OperatorError(
                    f"blocks {tuple(plane.known.shape)} of {plane.block} pixels do not cover a picture of {size}"
                )
            blocks = self.extent[0] // height, self.extent[1] // width_of_block
            plane = plane.part(slice(blocks[0]), slice(blocks[1]))
            found.append(plane.padded(*blocks))
        self.planes = tuple(found)

    @cached_property
    def step(self) -> float:
        """The mean entry of the luma table, in grey levels: how coarse the JPEG is."""
        return float(self.planes[0].table.double().mean())

    def with_width(self, width: float) -> JPEGCells:
        """The same cells at another width about their middle."""
        return self._with(self.planes, width=width)

    def project(self, y: Tensor) -> Tensor:
        """The picture in the cells nearest to y (B, 1 or 3, H, W), in the norm of YCbCr; y itself where it lies in them.

        Raises: OperatorError for a picture of another size.
        """
        return self._brought(y, None)

    def prox(self, v: Tensor, rho: Tensor | float) -> Tensor:
        """Between v and the middle of the cells, as what rounding did, q / sqrt(12) in standard deviation, stands to
        1 / sqrt(rho); then into the cells. Otherwise as `project`."""
        rho = torch.as_tensor(rho, dtype=v.dtype, device=v.device).reshape(-1, 1, 1, 1, 1, 1) / 127.5**2
        return self._brought(v, rho)

    def _brought(self, y: Tensor, rho: Tensor | None) -> Tensor:
        given = turned_back(y, self.orientation)
        if tuple(given.shape[-2:]) != self.size:
            raise OperatorError(f"the JPEG has {self.size} pixels (height, width), the picture {tuple(given.shape[-2:])}")
        colour = y.shape[1] == 3
        levels = given * 127.5 - 0.5  # Around 128, as the DCT has them; gray and luma alike.
        planes = torch.einsum("ij,bjhw->bihw", torch.tensor(TO_YCC).to(y), levels) if colour else levels
        moved = self._moved(planes, rho)
        if colour:
            moved = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(torch.tensor(TO_YCC, dtype=torch.float64)).to(y), moved)
        return y + turned(moved / 127.5, self.orientation)

    def to(self, device: torch.device) -> JPEGCells:
        planes = [
            replace(plane, index=plane.index.to(device), known=plane.known.to(device), table=plane.table.to(device))
            for plane in self.planes
        ]
        return self._with(planes)

    def crop(self, box: Box) -> JPEGCells | None:
        """The cells of a window (top, bottom, left, right), or None unless its edges lie on the grid of coding units (8 or 16
        pixels a side) or at the picture's edge."""
        top, bottom, left, right = box_turned_back(box, self.size, self.orientation)
        first, last = (top + self.origin[0], left + self.origin[1]), (bottom + self.origin[0], right + self.origin[1])
        begins = all(at in (0, start) or at % unit == 0 for at, start, unit in zip(first, self.origin, self.unit, strict=True))
        ends = all(
            at == start + side or at % unit == 0
            for at, start, side, unit in zip(last, self.origin, self.size, self.unit, strict=True)
        )
        if not (begins and ends):
            return None
        planes = []
        for plane in self.planes:
            rows, columns = (
                slice(start // unit * unit // block, -(-stop // unit) * unit // block)
                for start, stop, unit, block in zip(first, last, self.unit, plane.block, strict=True)
            )
            planes.append(plane.part(rows, columns))
        origin = first[0] % self.unit[0], first[1] % self.unit[1]
        return self._with(planes, size=(bottom - top, right - left), origin=origin)

    def _with(self, planes: Sequence[CellPlane], **changed: object) -> JPEGCells:
        kept = {"size": self.size, "origin": self.origin, "orientation": self.orientation, "width": self.width}
        return JPEGCells(planes, **{**kept, **changed})  # type: ignore[arg-type]

    def _moved(self, planes: Tensor, rho: Tensor | None) -> Tensor:
        """What has to be added to planes (B, 1 or 3, h, w) of the picture, in grey levels around 0."""
        (top, left), (height, width) = self.origin, planes.shape[-2:]
        padding = left, self.extent[1] - left - width, top, self.extent[0] - top - height
        whole = F.pad(planes, padding, mode="replicate") if any(padding) else planes
        moved = _correction(self.planes, whole, self.width, rho)
        if not any(padding):
            return moved
        outside = F.pad(torch.zeros_like(planes[:1, :1]), padding, value=1.0)
        everything = slice(0, None)
        last_row, last_column = (slice(extent // unit - 1, None) for extent, unit in zip(self.extent, self.unit, strict=True))
        strips = [
            (everything, slice(0, 1)),
            (everything, last_column),
            (slice(0, 1), everything),
            (last_row, everything),
        ]
        for padded, (rows, columns) in zip(padding, strips, strict=True):
            if padded:
                of_strip = (..., _scaled(rows, self.unit[0]), _scaled(columns, self.unit[1]))
                parts = [
                    plane.part(_scaled(rows, self.unit[0] // plane.block[0]), _scaled(columns, self.unit[1] // plane.block[1]))
                    for plane in self.planes
                ]
                moved[of_strip] = _beyond_the_edge(parts, whole[of_strip], outside[of_strip], self.width, rho)
        return moved[..., top : top + height, left : left + width]


def _correction(planes: Sequence[CellPlane], picture: Tensor, width: float, rho: Tensor | None) -> Tensor:
    """What brings a picture (B, C, h, w) of whole coding units into the cells; nothing for channels without a plane."""
    count = picture.shape[1]
    corrections = [plane.correction(picture[:, i : i + 1], width, rho) for i, plane in enumerate(planes[:count])]
    return F.pad(torch.cat(corrections, dim=1), (0, 0, 0, 0, 0, count - len(corrections)))


def _beyond_the_edge(planes: Sequence[CellPlane], picture: Tensor, outside: Tensor, width: float, rho: Tensor | None) -> Tensor:
    """The same where pixels `outside` (1, 1, h, w) are free: what they are at the least distance of the rest.

    That distance, squared and halved, is a convex function of them, whose gradient is the negative of their correction, with
    Lipschitz constant 1: accelerated gradient steps (Beck & Teboulle 2009, "A fast iterative shrinkage-thresholding
    algorithm", SIAM J. Imaging Sciences 2).
    """
    found, ahead, weight = picture, picture, 1.0
    for _ in range(ROUNDS):
        before, found = found, ahead + outside * _correction(planes, ahead, width, None)
        step = found - before
        if float(step.abs().max()) <= SETTLED:
            break
        weight, previous = (1 + math.sqrt(1 + 4 * weight**2)) / 2, weight
        ahead = found + (previous - 1) / weight * step
    return _correction(planes, found, width, rho)


def _scaled(part: slice, by: int) -> slice:
    return slice(part.start * by, None if part.stop is None else part.stop * by)
