"""Whether a JPEG had been compressed before, and at which quality."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from restore.compression.blocks import planes_of, some_blocks
from restore.compression.estimation import SMALLEST, phases
from restore.compression.evidence import ROUNDING, STRAY, fits
from restore.operators.jpeg import tables
from restore.operators.jpeg_cells import JPEGCells

LOW = [(0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0)]  # Frequencies with many coefficients beside 0.
LARGEST = 30  # Indices up to which a histogram is looked at.
FEW = 50  # Coefficients beside 0 that say something of a frequency.
CERTAIN = 30.0  # Least log-likelihood ratio, in nats, against one compression;
EACH = 0.045  # and per coefficient, as these are Laplacian only nearly. Chosen on the Kodak suite.
CLEAR, SEVERAL = 1.5, 3  # So many frequencies must say so for themselves, by so many nats.
CERTAIN_OFF_GRID = 60.0  # The same on another grid, where more cases are tried.
BLOCKS = 600
QUALITIES = range(5, 100)


@dataclass(frozen=True)
class Earlier:
    """An earlier compression of a picture.

    Attributes:
        quality: 1 to 100, of the Independent JPEG Group's tables that explain it best.
        same_grid: whether blocks lay where they lie in the last; they do not where the picture was cut in between.
    """

    quality: int
    same_grid: bool


def earlier_compression(pixels: Tensor, cells: JPEGCells) -> Earlier | None:
    """The compression before the last one; None where none shows.

    On the same grid, coefficients were multiples of the first table before they were rounded to those of the second, so that
    some multiples of the second are too frequent and others missing (Lukas & Fridrich 2003, "Estimation of primary
    quantization matrix in double compressed JPEG images", DFRWS; Popescu & Farid 2004, "Statistical tools for digital
    forensics", IH). Indices of low frequencies decide by their likelihood. On another grid, blocks of the decoded picture lie
    near multiples of the first table, if its steps are larger than what the second rounded.

    The first does not show where its steps divide those of the second, as at the same quality, or are much finer.

    Args:
        pixels: (1, 1 or 3, H, W) in [-1, 1], as decoded, and as the file has it before EXIF orientation.
        cells: of the last compression.
    """
    found = _on_the_same_grid(cells)
    if found is not None:
        return Earlier(found, same_grid=True)
    found = _off_the_grid(pixels, cells)
    return None if found is None else Earlier(found, same_grid=False)


def _on_the_same_grid(cells: JPEGCells) -> int | None:
    luma = cells.planes[0]
    blocks = luma.index[luma.known].double()
    totals, clear, seen = torch.zeros(len(QUALITIES)), torch.zeros(len(QUALITIES)), 0
    for row, column in LOW:
        index = blocks[:, row, column]
        index = index[(index != 0) & (index.abs() <= LARGEST)]
        if len(index) < FEW:
            continue
        seen += len(index)
        step = float(luma.table[row, column])
        scale = max(float(index.abs().mean()) * step, 1.0)
        counts = torch.bincount((index + LARGEST).long(), minlength=2 * LARGEST + 1).double()
        once = _shares(step, step, scale, 0.0)
        steps, where = torch.tensor([float(tables(quality)[0, row, column]) for quality in QUALITIES]).unique(
            return_inverse=True
        )
        ratios = torch.tensor(
            [
                float((counts * (_shares(first, step, scale, ROUNDING) / once).log()).sum()) if first != step else 0.0
                for first in steps.tolist()
            ]
        )[where]
        totals += ratios
        clear += ratios > CLEAR
    totals[clear < SEVERAL] = 0.0
    best = int(totals.argmax())
    return QUALITIES[best] if float(totals[best]) > max(CERTAIN, EACH * seen) else None


def _shares(first: float, second: float, scale: float, rounding: float) -> Tensor:
    """(2 LARGEST + 1,) shares of indices of a table entry `second`, but 0, of Laplacian coefficients of a mean size `scale`
    that were multiples of `first`; of coefficients that were not, for a rounding of 0."""
    edges = (torch.arange(-LARGEST, LARGEST + 2, dtype=torch.float64) - 0.5) * second
    if rounding == 0:
        shares = _laplace(edges / scale).diff()
    else:
        count = int(edges[-1] / first) + 2
        multiples = torch.arange(-count, count + 1, dtype=torch.float64) * first
        weights = _laplace((multiples + first / 2) / scale) - _laplace((multiples - first / 2) / scale)
        inside = torch.special.ndtr((edges[None] - multiples[:, None]) / rounding).diff(dim=1)
        shares = weights @ inside
    shares[LARGEST] = 0.0
    shares = shares / shares.sum()
    even = _laplace(edges / scale).diff()
    even[LARGEST] = 0.0
    return (1 - STRAY) * shares + STRAY * even / even.sum() + 1e-12


def _laplace(x: Tensor) -> Tensor:
    """The distribution function of a Laplacian of scale 1."""
    return 0.5 + 0.5 * x.sign() * -torch.expm1(-x.abs())


def _off_the_grid(pixels: Tensor, cells: JPEGCells) -> int | None:
    luma, unclipped = planes_of(pixels.float())[0, 0], (pixels.abs() < 1).all(dim=1)[0].float()
    if min(luma.shape) < SMALLEST:
        return None
    table = cells.planes[0].table
    # What the last compression rounded, as it spreads over frequencies of another grid.
    rounding = max(ROUNDING, float((table[:3, :3] ** 2).mean() / 12) ** 0.5)
    own = cells.origin[0] % 8, cells.origin[1] % 8
    rows, columns = (
        [of_grid, *[at for at in phases(plane) if at != of_grid][:2]]
        for plane, of_grid in zip((luma, luma.T), own, strict=True)
    )
    best, answer = CERTAIN_OFF_GRID, None
    for origin in product(rows, columns):
        if origin == own:
            continue
        blocks = some_blocks(luma, unclipped, origin, BLOCKS).unflatten(1, (8, 8)).clone()
        blocks[:, 4:] = blocks[:, :, 4:] = 0
        ratios = fits(blocks.flatten(1), 0, QUALITIES, rounding)
        total = ratios.sum(dim=0)
        at = int(total.argmax())
        if float(total[at]) > best and int((ratios[:, at] > CLEAR).sum()) >= SEVERAL:
            best, answer = float(total[at]), QUALITIES[at]
    return answer
