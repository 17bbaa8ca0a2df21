"""Holes as people make them, in the middle 256 x 256 pixels of photographs."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from benchmarks.pictures import Array

SIDE = 256
MARGIN = 32  # Pixels around a hole over which LPIPS is taken.


def square(side: int) -> Array:
    mask = _blank()
    first = (SIDE - side) // 2
    mask[first : first + side, first : first + side] = 255
    return mask


def thin() -> Array:
    """A lamp post with its arm, 8 pixels wide, and a wire of 3 pixels."""
    mask = _blank()
    mask[60:216, 120:128] = mask[60:68, 120:176] = 255
    cv2.line(mask, (20, 40), (235, 100), 255, 3)
    return mask


def person() -> Array:
    """Someone who stands: head, trunk, arms and legs, 140 pixels high."""
    mask = _blank()
    cv2.circle(mask, (128, 76), 15, 255, -1)
    cv2.ellipse(mask, (128, 122), (22, 38), 0, 0, 360, 255, -1)
    for x, tilt in ((105, -6), (151, 6)):
        cv2.ellipse(mask, (x, 124), (7, 36), tilt, 0, 360, 255, -1)
    for x in (117, 139):
        cv2.ellipse(mask, (x, 172), (9, 36), 0, 0, 360, 255, -1)
    return mask


def two() -> Array:
    """Two discs of 48 pixels, with 24 pixels between them."""
    mask = _blank()
    for x in (92, 164):
        cv2.circle(mask, (x, 128), 24, 255, -1)
    return mask


def _blank() -> Array:
    return np.zeros((SIDE, SIDE), np.uint8)


CASES: dict[str, Callable[[], Array]] = {
    "64 px": lambda: square(64),
    "32 px": lambda: square(32),
    "96 px": lambda: square(96),
    "thin": thin,
    "person": person,
    "two": two,
}


def around(mask: Array) -> tuple[slice, slice]:
    """The window of a hole and its surroundings."""
    rows, columns = np.nonzero(mask)
    return _span(rows), _span(columns)


def _span(places: np.ndarray) -> slice:
    return slice(max(0, int(places.min()) - MARGIN), min(SIDE, int(places.max()) + 1 + MARGIN))
