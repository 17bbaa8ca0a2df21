"""Regions of a picture that need work, and the cheapest size of windows for them."""

from __future__ import annotations

import math
from collections.abc import Iterable

import cv2
import numpy as np
from torch import Tensor
from torch.nn import functional as F

from restore.tiling.layout import Box, Window, overlap_for, windows

CELL = 32
SMALLEST = 128  # Smaller windows would be mostly overlap.


def regions(wanted: Tensor, context: int) -> list[Box]:
    """Disjoint boxes that contain every wanted pixel with a margin of `context` pixels, as far as the picture has them.

    Args:
        wanted: bool (1, 1, H, W).
        context: pixels; rounded up to whole cells of 32.

    Returns: boxes (top, bottom, left, right); none if no pixel is wanted.
    """
    height, width = wanted.shape[-2:]
    cells = F.max_pool2d(wanted.float(), CELL, ceil_mode=True)
    reach = -(-context // CELL)
    near = F.max_pool2d(cells, 2 * reach + 1, stride=1, padding=reach)[0, 0].numpy().astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(near, connectivity=8)
    boxes = [(int(t), int(t + h), int(left), int(left + w)) for left, t, w, h, _ in stats[1:count]]
    return [
        (top * CELL, min(bottom * CELL, height), left * CELL, min(right * CELL, width))
        for top, bottom, left, right in _merged(boxes)
    ]


def _merged(boxes: list[Box]) -> list[Box]:
    """Boxes with overlapping ones merged until none overlap."""
    for index, box in enumerate(boxes):
        for other in boxes[index + 1 :]:
            if box[0] < other[1] and other[0] < box[1] and box[2] < other[3] and other[2] < box[3]:
                joined = (min(box[0], other[0]), max(box[1], other[1]), min(box[2], other[2]), max(box[3], other[3]))
                return _merged([b for b in boxes if b not in (box, other)] + [joined])
    return sorted(boxes)


def window_for(height: int, width: int, context: int, largest: int, wanted: Tensor | None, *, multiple: int = 1) -> int | None:
    """The window side, at most `largest`, that evaluates the fewest pixels; None to evaluate the whole if that is not more.

    Small windows follow a sparse mask closely but spend more on overlaps and have less context: at 128 pixels results for the
    scratches on samples/ differ from those of whole pictures by 0.1 grey levels (root mean square; `pnp`).
    """
    best, cheapest = (None, height * width) if height <= largest and width <= largest else (largest, math.inf)
    for side in (largest, largest // 2, largest // 4, largest * 3 // 16, largest // 8):
        if side < min(largest, SMALLEST):
            break
        cost = pixels(windows(height, width, side, overlap_for(context, side), multiple=multiple, wanted=wanted))
        if cost < 0.8 * cheapest:
            best, cheapest = side, cost
    return best


def pixels(found: Iterable[Window]) -> int:
    """Pixels that the network evaluates."""
    boxes = [window.box for window in found if window.wanted]
    return sum((bottom - top) * (right - left) for top, bottom, left, right in boxes)


def crop(tensor: Tensor, box: Box) -> Tensor:
    top, bottom, left, right = box
    return tensor[..., top:bottom, left:right]
