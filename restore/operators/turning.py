"""EXIF orientations of pictures in tensors."""

from __future__ import annotations

from torch import Tensor

Box = tuple[int, int, int, int]


def turned(x: Tensor, orientation: int) -> Tensor:
    """A picture (B, C, H, W) of a file as EXIF orientation 1 to 8 shows it."""
    x = x.mT if orientation >= 5 else x
    return x.flip(_flipped(orientation)) if orientation > 1 else x


def turned_back(x: Tensor, orientation: int) -> Tensor:
    """The inverse of `turned`."""
    x = x.flip(_flipped(orientation)) if orientation > 1 else x
    return x.mT if orientation >= 5 else x


def box_turned_back(box: Box, size: tuple[int, int], orientation: int) -> Box:
    top, bottom, left, right = box
    height, width = size[::-1] if orientation >= 5 else size  # As shown.
    if -2 in _flipped(orientation):
        top, bottom = height - bottom, height - top
    if -1 in _flipped(orientation):
        left, right = width - right, width - left
    return (left, right, top, bottom) if orientation >= 5 else (top, bottom, left, right)


def _flipped(orientation: int) -> list[int]:
    """The axes that are reversed, after those of 5 to 8 are exchanged."""
    return [-2] * (orientation in (3, 4, 7, 8)) + [-1] * (orientation in (2, 3, 6, 7))
