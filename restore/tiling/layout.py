"""Positions of overlapping windows on a picture, and their blending weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from restore.errors import UsageError

Box = tuple[int, int, int, int]  # top, bottom, left, right
# Steps of the shift along rows and columns, by which points fill a square evenly (Roberts 2018, "The unreasonable effectiveness
# of quasirandom sequences").
STRIDES = 0.7548776662466927, 0.5698402909980532


@dataclass(frozen=True)
class Span:
    """A window along one axis of the picture.

    Attributes:
        start, stop: range of its pixels.
        low, high: borders of its own part, where its weight and its neighbour's are equal; infinite where the picture ends.
        fade: pixels on both sides of a border over which its weight falls from 1 to 0.
    """

    start: int
    stop: int
    low: float
    high: float
    fade: float

    @property
    def reach(self) -> tuple[int, int]:
        """Range (first, last + 1) of the pixels of positive weight."""
        low, high = self.low - self.fade, self.high + self.fade
        return max(self.start, math.floor(max(low, 0))), min(self.stop, math.ceil(min(high, self.stop)))

    def weight(self, like: Tensor) -> Tensor:
        """The weight of each pixel, (stop - start,). Over all spans of an axis weights sum to 1."""
        middle = torch.arange(self.start, self.stop, device=like.device, dtype=like.dtype) + 0.5
        return self._rise(middle - self.low) - self._rise(middle - self.high)

    def _rise(self, away: Tensor) -> Tensor:
        """A step from 0 to 1 across a border, with two continuous derivatives."""
        t = (away / max(2 * self.fade, 1e-6) + 0.5).clamp(0, 1)
        return t**3 * (10 - 15 * t + 6 * t**2)


@dataclass(frozen=True)
class Window:
    """A window of a picture; `wanted` says whether its weight is positive at any wanted pixel."""

    rows: Span
    columns: Span
    wanted: bool = True

    @property
    def box(self) -> Box:
        return self.rows.start, self.rows.stop, self.columns.start, self.columns.stop

    def cut(self, picture: Tensor) -> Tensor:
        """A view of the window's pixels of a picture (..., H, W)."""
        return picture[..., self.rows.start : self.rows.stop, self.columns.start : self.columns.stop]

    def weight(self, like: Tensor) -> Tensor:
        """The weights (1, 1, h, w), with device and dtype of `like`. Over all windows of a picture they sum to 1."""
        return (self.rows.weight(like)[:, None] * self.columns.weight(like))[None, None]


def windows(
    height: int,
    width: int,
    window: int,
    overlap: int,
    *,
    multiple: int = 1,
    shift: tuple[float, float] = (0.0, 0.0),
    wanted: Tensor | None = None,
) -> list[Window]:
    """Windows of one size, at most `window` a side, whose weights together cover every pixel.

    Args:
        overlap: pixels that neighbours share at least.
        multiple: windows start at multiples of it and have multiples of it as sides, so that a network that works on blocks
            of pixels sees the same blocks everywhere; the last ones end with the picture, rounded up to a multiple.
        shift: from -1 to 1, moves the borders down and right within what the overlap leaves free; windows follow.
        wanted: bool (1, 1, H, W); all if not given.

    Raises: UsageError if windows are too small for the overlap.
    """
    found = [
        Window(rows, columns)
        for rows in _spans(height, window, overlap, multiple, shift[0])
        for columns in _spans(width, window, overlap, multiple, shift[1])
    ]
    return found if wanted is None else [Window(one.rows, one.columns, _counts(one, wanted)) for one in found]


def _counts(window: Window, wanted: Tensor) -> bool:
    (top, bottom), (left, right) = window.rows.reach, window.columns.reach
    return bool(wanted[..., top:bottom, left:right].any())


def _spans(length: int, window: int, overlap: int, multiple: int, shift: float) -> list[Span]:
    # Lengths in blocks of `multiple` pixels. A window is its own part with a margin on each side.
    blocks, margin = -(-length // multiple), -(-overlap // (2 * multiple))
    if blocks * multiple <= window or length <= window:
        return [Span(0, blocks * multiple, -math.inf, math.inf, 0.0)]
    largest = window // multiple - 2 * margin
    if largest < 1:
        raise UsageError(f"windows of {window} pixels cannot overlap by {overlap}; give half as much at most")
    count = -(-blocks // largest)
    part = -(-blocks // count)
    side = part + 2 * margin
    # Windows at the picture's ends have one border only, so all borders can move by a margin without more windows.
    moved = round(shift * min(margin, blocks // count // 2))
    borders = [index * blocks // count + moved for index in range(1, count)]
    found = []
    for index in range(count):
        low, high = (borders[index - 1] if index else -math.inf), (borders[index] if index < count - 1 else math.inf)
        start = min(max(int(max(low, 0)) - margin, 0), blocks - side) * multiple
        found.append(Span(start, start + side * multiple, low * multiple, high * multiple, margin * multiple / 2))
    return found


def shift_at(sigma: float) -> tuple[float, float]:
    """The shift (down, right) of windows at a noise level. It changes with the level, so that borders do not stay in place."""
    # Schedules fall by some tenths in log sigma per step, so rounding to sixteenths changes the shift in each.
    number = round(math.log(sigma) * 16) if sigma > 0 else 0
    down, right = (2 * (number * stride % 1) - 1 for stride in STRIDES)
    return down, right


def overlap_for(context: int, side: int) -> int:
    """Pixels that neighbouring windows share: the receptive field, at most a quarter of the window."""
    return min(context, side // 4)
