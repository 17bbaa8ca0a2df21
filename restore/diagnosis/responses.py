"""How much each pixel stands out, as scratches and dust do: against medians of its surroundings, and along lines."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MEDIANS = (5, 9, 15)  # Sides in pixels; a median takes out lines below half of it in width, and specks below half its area.
DIRECTIONS = 12
LENGTH = 31  # Pixels along which lines are followed, at full and at half size.
LEAST = 2.0  # Grey levels below which no contrast is taken for less.
CHANNELS = 11


def responses(picture: Floats) -> Floats:
    """What the detector looks at, (CHANNELS, H, W), in units of the picture's own local contrast.

    Differences to medians of three sizes (a top-hat of either sign that noise does not move); the largest and the smallest mean
    of these along straight lines, at two scales; colour differences to a median; the local contrast; and brightness.

    Args:
        picture: (H, W, 1 or 3) in grey levels, 0 to 255.
    """
    gray = np.ascontiguousarray(picture.mean(axis=2), np.float32)
    levels = np.rint(gray).clip(0, 255).astype(np.uint8)
    steps = [gray - cv2.medianBlur(levels, side) for side in MEDIANS]
    contrast = local_contrast(steps[0])
    relative = [np.clip(step / contrast, -12, 12) / 4 for step in steps]
    lines = _along_lines(np.clip(relative[1], -1, 1))
    half = cv2.resize(np.clip(relative[1], -1, 1), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    longer = [cv2.resize(one, gray.shape[::-1], interpolation=cv2.INTER_LINEAR) for one in _along_lines(half)]
    tints = [_tint(picture, channel, contrast) for channel in (0, 2)]
    found = [
        *relative,
        *(2 * one for one in lines),
        *(2 * one for one in longer),
        *tints,
        np.log(contrast) - 1.5,
        gray / 128 - 1,
    ]
    return np.stack(found).astype(np.float32)


def local_contrast(step: Floats) -> Floats:
    """The standard deviation around each pixel that rare large values do not move, in grey levels.

    Args:
        step: (H, W), differences to a median.
    """
    size = abs(step)
    rough = cv2.blur(size, (31, 31), borderType=cv2.BORDER_REFLECT)
    clipped = np.minimum(size, 3 * rough + 1)
    return np.asarray(np.maximum(1.4 * cv2.blur(clipped, (31, 31), borderType=cv2.BORDER_REFLECT), LEAST), np.float32)


def _along_lines(relative: Floats) -> tuple[Floats, Floats]:
    """The largest mean along straight lines through each pixel, and the negative of the smallest."""
    most, least = np.full_like(relative, -np.inf), np.full_like(relative, np.inf)
    for index in range(DIRECTIONS):
        mean = cv2.filter2D(relative, -1, _line(np.pi * index / DIRECTIONS), borderType=cv2.BORDER_REFLECT)
        np.maximum(most, mean, out=most)
        np.minimum(least, mean, out=least)
    return most, -least


def _line(angle: float) -> Floats:
    """A kernel (LENGTH, LENGTH) of sum 1 along a line through its middle."""
    kernel, reach = np.zeros((LENGTH, LENGTH), np.float32), LENGTH // 2
    ends = [(reach + sign * reach * np.cos(angle), reach + sign * reach * np.sin(angle)) for sign in (-1, 1)]
    start, end = ((round(x * 16), round(y * 16)) for x, y in ends)
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_8, 4)
    return np.asarray(kernel / kernel.sum())


def _tint(picture: Floats, channel: int, contrast: Floats) -> Floats:
    """How far a colour difference is from its surroundings; 0 for gray pictures."""
    if picture.shape[2] == 1:
        return np.zeros(picture.shape[:2], np.float32)
    difference = picture[..., channel] - picture[..., 1]
    levels = np.rint(difference / 2 + 128).clip(0, 255).astype(np.uint8)
    return np.asarray(np.clip((difference - 2 * (cv2.medianBlur(levels, 9).astype(np.float32) - 128)) / contrast, -12, 12) / 4)
