"""Blur kernels: how one point of light spreads, (h, w) float64 with odd sides, of sum 1, for `OpenBlur` and `Blur`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from restore.errors import OperatorError

PARTS = 8  # Points a pixel and side, where a kernel has a sharp edge.


def gaussian(deviation: float) -> Tensor:
    """A Gaussian of this standard deviation in pixels, sampled at pixel centres up to 4 of them.

    Raises: OperatorError unless the deviation is above 0.
    """
    _positive("Gaussian", "standard deviation", deviation)
    from kornia.filters import get_gaussian_kernel2d  # Takes a third of a second to import.

    side = 2 * max(1, int(4 * deviation + 0.5)) + 1
    made: Tensor = get_gaussian_kernel2d((side, side), torch.tensor([[deviation, deviation]], dtype=torch.float64))[0]
    return made


def motion(length: float, angle: float) -> Tensor:
    """A straight, even motion, as of a camera that turns: a line through the middle, split among the nearest pixels.

    Args:
        length: in pixels.
        angle: in degrees, counter-clockwise from the right.

    Raises: OperatorError unless the length is above 0.
    """
    _positive("motion", "length", length)
    count = 16 * math.ceil(length)
    along = (torch.arange(count, dtype=torch.float64) + 0.5) / count - 0.5
    direction = math.radians(angle)
    return _splatted(-math.sin(direction) * length * along, math.cos(direction) * length * along)


def defocus(radius: float) -> Tensor:
    """An even disk, as an open lens out of focus makes; pixels at its edge count by the share that it covers.

    Raises: OperatorError unless the radius is above 0.
    """
    _positive("defocus", "radius", radius)
    reach = math.ceil(radius)
    side = 2 * reach + 1
    points = (torch.arange(side * PARTS, dtype=torch.float64) + 0.5) / PARTS - side / 2
    inside = (points[:, None] ** 2 + points**2 <= radius**2).double()
    return _normalised(inside.reshape(side, PARTS, side, PARTS).sum(dim=(1, 3)))


def path(rows: Tensor, columns: Tensor) -> Tensor:
    """Any motion: points (N,) that it passes in equal times, in pixels from the middle."""
    return _splatted(rows.double(), columns.double())


def _splatted(rows: Tensor, columns: Tensor) -> Tensor:
    """Points shared among the four pixels around each, by their distances."""
    reach = math.ceil(max(float(rows.abs().max()), float(columns.abs().max()), 0.5))
    side = 2 * reach + 3
    kernel = torch.zeros(side, side, dtype=torch.float64)
    top, left = rows.floor(), columns.floor()
    for down in (0, 1):
        for right in (0, 1):
            weight = (1 - (rows - top - down).abs()) * (1 - (columns - left - right).abs())
            index = (top + down + reach + 1).long(), (left + right + reach + 1).long()
            kernel.index_put_(index, weight, accumulate=True)
    return _trimmed(_normalised(kernel))


def _trimmed(kernel: Tensor) -> Tensor:
    """Without empty rows and columns around, as long as the middle stays the middle."""
    used = kernel > 0
    side = len(kernel)
    rows, columns = (torch.nonzero(used.any(dim=axis)).flatten() for axis in (1, 0))
    margins = [min(int(found[0]), side - 1 - int(found[-1])) for found in (rows, columns)]
    return kernel[margins[0] : side - margins[0], margins[1] : side - margins[1]]


def _normalised(kernel: Tensor) -> Tensor:
    return kernel / kernel.sum()


def _positive(kind: str, name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise OperatorError(f"a {kind} blur needs a {name} above 0, got {value}")
