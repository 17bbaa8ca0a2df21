"""How a picture without its JPEG file was compressed: quality, grid and subsampling, from its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.compression.blocks import at_half_size, planes_of, some_blocks
from restore.compression.evidence import ROUNDING, fits

INTERPOLATED = 1.5  # Grey levels: deviation of a coefficient of chroma that is put back from its interpolation.
CERTAIN = 60.0  # Least log-likelihood ratio, in nats, against a picture that was never compressed.
CLEAR, SEVERAL = 3.0, 6  # So many frequencies must say so for themselves, by so many nats.
ENOUGH = 15.0  # The same for chroma, once luma is certain.
FEW = 200  # Blocks that are looked at for the grid.
SMALLEST = 32  # Pixels; the least side of a picture that says enough.


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
    planes = planes_of(pixels.float())
    luma, unclipped = planes[0, 0], (pixels.abs() < 1).all(dim=1)[0].float()
    if min(luma.shape) < SMALLEST:
        return None if quality is None else Compression(quality, origin or (0, 0), None)

    qualities = range(1, 101) if quality is None else [quality]

    def likelihood(start: tuple[int, int]) -> float:
        blocks = some_blocks(luma, unclipped, start, FEW).unflatten(1, (8, 8)).clone()
        blocks[:, 4:] = blocks[:, :, 4:] = 0  # Low frequencies say enough of the grid.
        return float(fits(blocks.flatten(1), 0, qualities).sum(dim=0).max())

    start = origin or max(_likely_origins(luma), key=likelihood)
    if quality is None:
        ratios = fits(some_blocks(luma, unclipped, start), 0, qualities)
        quality = int(ratios.sum(dim=0).argmax()) + 1
        of_quality = ratios[:, quality - 1]
        # A pattern that repeats, as in drawings, has a few frequencies only, and may fit a table by chance.
        if float(of_quality.sum()) < CERTAIN or int((of_quality > CLEAR).sum()) < SEVERAL:
            return None
    if planes.shape[1] == 1:
        return Compression(quality, start, None)
    return Compression(quality, *_subsampling(planes[0, 1:], unclipped, quality, start))


def _likely_origins(luma: Tensor) -> list[tuple[int, int]]:
    """Where the picture may begin on the grid of blocks: the two best guesses for rows and for columns, and (0, 0)."""
    rows, columns = (phases(plane)[:2] for plane in (luma, luma.T))
    return list(dict.fromkeys([(0, 0), *product(rows, columns)]))


def phases(plane: Tensor) -> list[int]:
    """0 to 7, how many rows of the first block are missing, most likely first.

    Across a block edge a row differs from the next by more than its neighbours do.
    """
    steps = (plane[1:] - plane[:-1]).abs()
    jumps = (steps[1:-1] - (steps[:-2] + steps[2:]) / 2).clamp(-8, 8).mean(dim=1)  # At the edge below row 1, 2, ...
    mean = torch.stack([jumps[first::8].mean() for first in range(8)])  # Edge below row first + 1.
    return [(6 - first) % 8 for first in mean.argsort(descending=True).tolist()]


def _subsampling(
    chroma: Tensor, unclipped: Tensor, quality: int, origin: tuple[int, int]
) -> tuple[tuple[int, int], int | None]:
    """Where the picture begins on the grid of coding units, and how chroma was subsampled, if it shows."""
    origin = origin[0] % 8, origin[1] % 8

    def fit(planes: Tensor, usable: Tensor, start: tuple[int, int], rounding: float) -> float:
        return sum(float(fits(some_blocks(plane, usable, start), 1, [quality], rounding).sum()) for plane in planes)

    full = fit(chroma, unclipped, origin, ROUNDING)
    best, answer = max(full, ENOUGH), (origin, 0 if full > ENOUGH else None)
    near = -F.max_pool2d(-unclipped[None], 5, stride=1, padding=2)[0]
    for rows, columns in product((0, 8), (0, 8)):
        start = origin[0] + rows, origin[1] + columns
        window = tuple(slice(-at % 16, side - (side - -at % 16) % 2) for at, side in zip(start, near.shape, strict=True))
        if min(chroma[0][window].shape) < SMALLEST:
            continue
        cut = torch.stack([plane[window] for plane in chroma])
        small = at_half_size(cut[:, None])[:, 0]
        usable = -F.max_pool2d(-near[window][None], 2)[0]
        if (found := fit(small, usable, (0, 0), INTERPOLATED)) > best:
            best, answer = found, (start, 2)
    return answer
