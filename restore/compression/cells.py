"""The cells of a picture that was a JPEG, from its file or its pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.compression.blocks import at_half_size, planes_of
from restore.compression.estimation import Compression, estimate_compression
from restore.operators.cell_plane import CellPlane
from restore.operators.jpeg import tables, to_blocks
from restore.operators.jpeg_cells import JPEGCells

if TYPE_CHECKING:
    from restore.images.picture import Picture

MARGIN = 2.0  # Grey levels of coefficients of chroma that has to be put back from its interpolation.


def constraint_of(picture: Picture, *, estimate: bool = True) -> JPEGCells | None:
    """The cells of a picture that was a JPEG, at their full width; None for any other.

    From the file, where the picture was read from a JPEG; otherwise, with `estimate`, from its pixels. Put it into
    `Problem(..., constraint=...)` of a task whose measurement is the picture.

    Args:
        picture: as a task gets it.
    """
    if picture.jpeg is not None:
        return picture.jpeg.cells()
    if not estimate or picture.kind not in ("gray", "colour"):
        return None
    found = estimate_compression(picture.pixels)
    return None if found is None else cells_of_pixels(picture.pixels, found)


def cells_of_pixels(pixels: Tensor, compression: Compression) -> JPEGCells:
    """The cells of a decoded picture whose compression is known.

    Coefficients are rounded to the nearest multiple of their table. Blocks that are cut by the picture's edge are left open,
    and chroma where its subsampling is not known.

    Args:
        pixels: (1, 1 or 3, H, W) in [-1, 1].
    """
    planes = planes_of(pixels)
    origin, size = compression.origin, (pixels.shape[-2], pixels.shape[-1])
    luma_table, chroma_table = tables(compression.quality).float()
    subsampled = planes.shape[1] == 3 and compression.subsampling == 2
    unit = 16 if subsampled else 8
    origin = origin[0] % unit, origin[1] % unit
    extent = [-(-(start + side) // unit) * unit for start, side in zip(origin, size, strict=True)]
    margins = origin[1], extent[1] - origin[1] - size[1], origin[0], extent[0] - origin[0] - size[0]
    whole = F.pad(planes, margins, mode="replicate")
    inside = F.pad(torch.ones_like(planes[:, :1]), margins)
    found = [_cell_plane(whole[:, :1], inside, luma_table)]
    for i in range(1, planes.shape[1]):
        chroma = whole[:, i : i + 1]
        if subsampled:
            found.append(_cell_plane(at_half_size(chroma), F.avg_pool2d(inside, 2), chroma_table, (2, 2), MARGIN))
        else:
            plane = _cell_plane(chroma, inside, chroma_table)
            open_ = torch.zeros_like(plane.known)
            found.append(plane if compression.subsampling == 0 else CellPlane(plane.index, open_, plane.table))
    return JPEGCells(found, size, origin=origin)


def _cell_plane(
    plane: Tensor, inside: Tensor, table: Tensor, ratio: tuple[int, int] = (1, 1), margin: float = 0.0
) -> CellPlane:
    index = (to_blocks(plane)[0, 0] / table).round().to(torch.int16)
    known = -F.max_pool2d(-inside, 8)[0, 0] == 1
    return CellPlane(index, known, table, ratio, margin)
