"""What is known of a picture because it was a JPEG: from its file, or, where that is lost, from its pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from restore.operators.jpeg import TO_YCC, tables, to_blocks
from restore.operators.jpeg_cells import CellPlane, JPEGCells

if TYPE_CHECKING:
    from restore.images.picture import Picture

ROUNDING = 0.6  # Grey levels: deviation of a coefficient by what a decoder and a conversion to RGB and back rounded.
STRAY = 0.02  # Share of coefficients that are far from a multiple, as where samples were clipped.
INTERPOLATED = 1.5  # The same of chroma that is put back from its interpolation.
CERTAIN = 60.0  # Least log-likelihood ratio, in nats, against a picture that was never compressed.
CLEAR, SEVERAL = 3.0, 6  # So many frequencies must say so for themselves, by so many nats.
ENOUGH = 15.0  # The same for chroma, once luma is certain.
FEW, BLOCKS = 200, 1000  # Blocks that are looked at, for the grid and for the table.
SMALLEST = 32  # Pixels; the least side of a picture that says enough.
MARGIN = 2.0  # Grey levels of coefficients of chroma that has to be put back from its interpolation.


@dataclass(frozen=True)
class Compression:
    """How a picture without its JPEG file was compressed.

    Attributes:
        quality: 1 to 100, of the Independent JPEG Group's tables.
        origin: (row, column), 0 to 15 each, where the picture begins on the grid of coding units.
        subsampling: of chroma: 0 for 4:4:4, 2 for 4:2:0, None where it does not show.
    """

    quality: int
    origin: tuple[int, int]
    subsampling: int | None


@dataclass(frozen=True)
class Settings:
    """Of plug-and-play on a picture in JPEG cells.

    Attributes:
        sigma_start, sigma_end: noise levels, in units of [-1, 1] pictures.
        weight: lambda, of the picture against the middle of the cells.
        steps: transitions.
        width: of the cells, as a share.
    """

    sigma_start: float
    sigma_end: float
    weight: float = 3.0
    steps: int = 16
    width: float = 0.6


def settings_of(cells: JPEGCells) -> Settings:
    """The settings that came closest to the truth, by how coarse the tables are."""
    coarse = math.sqrt(cells.step)  # 16 at quality 10, 8.5 at 40, 3.5 at 90.
    return Settings(sigma_start=min(0.25, 0.02 * coarse), sigma_end=min(0.03, 0.0024 * coarse))


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


def quality_of(picture: Picture) -> int | None:
    """The quality, 1 to 100, of the JPEG that a picture was; None if it shows no sign of it."""
    if picture.jpeg is not None:
        return nearest_quality(picture.jpeg.tables[0])
    found = estimate_compression(picture.pixels) if picture.kind in ("gray", "colour") else None
    return None if found is None else found.quality


def nearest_quality(luma: Sequence[int]) -> int:
    """The quality, 1 to 100, whose table for luma is nearest to one of 64 steps, in any order."""
    wanted = torch.tensor(luma, dtype=torch.float32).sort().values
    away = [float((tables(quality)[0].flatten().float().sort().values - wanted).abs().sum()) for quality in range(1, 101)]
    return int(np.argmin(away)) + 1


def cells_of_pixels(pixels: Tensor, compression: Compression) -> JPEGCells:
    """The cells of a decoded picture whose compression is known.

    Coefficients are rounded to the nearest multiple of their table. Blocks that are cut by the picture's edge are left open,
    and chroma where its subsampling is not known.

    Args:
        pixels: (1, 1 or 3, H, W) in [-1, 1].
    """
    planes = _planes(pixels)
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
            found.append(_cell_plane(_at_half_size(chroma), F.avg_pool2d(inside, 2), chroma_table, (2, 2), MARGIN))
        else:
            plane = _cell_plane(chroma, inside, chroma_table)
            open_ = torch.zeros_like(plane.known)
            found.append(plane if compression.subsampling == 0 else CellPlane(plane.index, open_, plane.table))
    return JPEGCells(found, size, origin=origin)


def estimate_compression(
    pixels: Tensor, *, quality: int | None = None, origin: tuple[int, int] | None = None
) -> Compression | None:
    """How a picture was compressed, from its pixels alone; None if it shows no sign of it.

    The grid is where differences across block edges are largest (Fan & de Queiroz 2003, "Identification of bitmap compression
    history: JPEG detection and quantizer estimation", IEEE TIP 12). Quality is the one of largest likelihood: in blocks on the
    right grid coefficients lie at multiples of the table, to the rounding of the decoder, and anywhere in a picture that was
    never compressed. Coefficients near 0 say nothing, as smooth pictures have them too. Qualities above about 95 have steps as
    fine as the rounding and are not found, those above 90 not always where the picture was cut.

    Args:
        pixels: (1, 1 or 3, H, W) in [-1, 1].
        quality: if it is known, which makes the picture compressed whatever its pixels say.
        origin: (row, column) on the grid of coding units, if it is known.
    """
    planes = _planes(pixels.float())
    luma, unclipped = planes[0, 0], (pixels.abs() < 1).all(dim=1)[0].float()
    if min(luma.shape) < SMALLEST:
        return None if quality is None else Compression(quality, origin or (0, 0), None)

    qualities = range(1, 101) if quality is None else [quality]

    def likelihood(start: tuple[int, int]) -> float:
        blocks = _some_blocks(luma, unclipped, start, FEW).unflatten(1, (8, 8)).clone()
        blocks[:, 4:] = blocks[:, :, 4:] = 0  # Low frequencies say enough of the grid.
        return float(_fits(blocks.flatten(1), 0, qualities).sum(dim=0).max())

    start = origin or max(_likely_origins(luma), key=likelihood)
    if quality is None:
        ratios = _fits(_some_blocks(luma, unclipped, start), 0, qualities)
        quality = int(ratios.sum(dim=0).argmax()) + 1
        of_quality = ratios[:, quality - 1]
        # A pattern that repeats, as in drawings, has a few frequencies only, and may fit a table by chance.
        if float(of_quality.sum()) < CERTAIN or int((of_quality > CLEAR).sum()) < SEVERAL:
            return None
    if planes.shape[1] == 1:
        return Compression(quality, start, None)
    return Compression(quality, *_subsampling(planes[0, 1:], unclipped, quality, start))


def _planes(pixels: Tensor) -> Tensor:
    """Luma, or luma and chroma, in grey levels around 0."""
    levels = pixels * 127.5 - 0.5
    return levels if pixels.shape[1] == 1 else torch.einsum("ij,bjhw->bihw", torch.tensor(TO_YCC).to(pixels), levels)


def _likely_origins(luma: Tensor) -> list[tuple[int, int]]:
    """Where the picture may begin on the grid of blocks: the two best guesses for rows and for columns, and (0, 0)."""
    rows, columns = (_phases(plane)[:2] for plane in (luma, luma.T))
    return list(dict.fromkeys([(0, 0), *product(rows, columns)]))


def _phases(plane: Tensor) -> list[int]:
    """0 to 7, how many rows of the first block are missing, most likely first.

    Across a block edge a row differs from the next by more than its neighbours do.
    """
    steps = (plane[1:] - plane[:-1]).abs()
    jumps = (steps[1:-1] - (steps[:-2] + steps[2:]) / 2).clamp(-8, 8).mean(dim=1)  # At the edge below row 1, 2, ...
    mean = torch.stack([jumps[first::8].mean() for first in range(8)])  # Edge below row first + 1.
    return [(6 - first) % 8 for first in mean.argsort(descending=True).tolist()]


def _some_blocks(plane: Tensor, unclipped: Tensor, origin: tuple[int, int], count: int = BLOCKS) -> Tensor:
    """Coefficients (N, 64) of whole blocks, spread over the picture; without those that hold clipped pixels."""
    top, left = (-start % 8 for start in origin)
    height, width = ((side - start) // 8 * 8 for side, start in zip(plane.shape, (top, left), strict=True))
    window = slice(top, top + height), slice(left, left + width)
    usable = -F.max_pool2d(-unclipped[window][None, None], 8)[0, 0].flatten() > 0
    coefficients = to_blocks(plane[window][None, None])[0, 0].flatten(0, 1).flatten(1)[usable]
    return coefficients[:: max(1, len(coefficients) // count)]


def _fits(coefficients: Tensor, which: int, qualities: Sequence[int], rounding: float = ROUNDING) -> Tensor:
    """(64, Q) log-likelihood ratios of each frequency and quality, against coefficients that lie anywhere.

    Args:
        coefficients: (N, 64).
        which: 0 for the table of luma, 1 for that of chroma.
        qualities: Q of them.
        rounding: deviation of coefficients in grey levels.
    """
    candidates = torch.stack([tables(quality)[which].flatten() for quality in qualities])  # (Q, 64)
    ratios = torch.zeros(64, len(qualities))
    for i in range(1 - which, 64):  # Not the mean of luma, which is alike in all blocks of a plain picture.
        values = coefficients[:, i]
        values = values[values.abs() > 2 * rounding]
        steps, where = candidates[:, i].float().unique(return_inverse=True)
        if len(values):
            ratios[i] = _evidence(values, steps, rounding)[where]
    return ratios


def _evidence(values: Tensor, steps: Tensor, rounding: float) -> Tensor:
    """Log-likelihood ratios (S,) that values (N,) are multiples of each of some steps (S,), with rounding errors."""
    step = steps[:, None]
    away = values - (values / step).round() * step
    density = torch.exp(-((away / rounding) ** 2) / 2) / (rounding * np.sqrt(2 * np.pi))
    # Fine steps: errors reach the next multiple, and the density becomes even.
    density = torch.where(step < 4 * rounding, torch.minimum(density, 1 / step), density)
    return ((1 - STRAY) * step * density + STRAY).log().sum(dim=1)


def _at_half_size(chroma: Tensor) -> Tensor:
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


def _subsampling(
    chroma: Tensor, unclipped: Tensor, quality: int, origin: tuple[int, int]
) -> tuple[tuple[int, int], int | None]:
    """Where the picture begins on the grid of coding units, and how chroma was subsampled, if it shows."""
    origin = origin[0] % 8, origin[1] % 8

    def fit(planes: Tensor, usable: Tensor, start: tuple[int, int], rounding: float) -> float:
        return sum(float(_fits(_some_blocks(plane, usable, start), 1, [quality], rounding).sum()) for plane in planes)

    full = fit(chroma, unclipped, origin, ROUNDING)
    best, answer = max(full, ENOUGH), (origin, 0 if full > ENOUGH else None)
    near = -F.max_pool2d(-unclipped[None], 5, stride=1, padding=2)[0]
    for rows, columns in product((0, 8), (0, 8)):
        start = origin[0] + rows, origin[1] + columns
        window = tuple(slice(-at % 16, side - (side - -at % 16) % 2) for at, side in zip(start, near.shape, strict=True))
        if min(chroma[0][window].shape) < SMALLEST:
            continue
        cut = torch.stack([plane[window] for plane in chroma])
        small = _at_half_size(cut[:, None])[:, 0]
        usable = -F.max_pool2d(-near[window][None], 2)[0]
        if (found := fit(small, usable, (0, 0), INTERPOLATED)) > best:
            best, answer = found, (start, 2)
    return answer


def _cell_plane(
    plane: Tensor, inside: Tensor, table: Tensor, ratio: tuple[int, int] = (1, 1), margin: float = 0.0
) -> CellPlane:
    index = (to_blocks(plane)[0, 0] / table).round().to(torch.int16)
    known = -F.max_pool2d(-inside, 8)[0, 0] == 1
    return CellPlane(index, known, table, ratio, margin)
