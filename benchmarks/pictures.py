"""Pictures of folders, photographs of any size and scratches on them, the same on every machine."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.uint8]
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp"}


def pictures(folder: Path) -> list[Array]:
    """(H, W, 3) uint8 RGB pictures of a folder, by name."""
    loaded = [cv2.imread(str(path)) for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]
    return [np.ascontiguousarray(picture[..., ::-1]) for picture in loaded if picture is not None]


def middle(picture: Array, side: int) -> Array:
    """The middle square of a picture."""
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + side, left : left + side])


def photograph(folder: Path, height: int, width: int, index: int = 0) -> Array:
    """(height, width, 3) uint8 RGB: a picture of a folder, its middle where it is larger, mirrored on where it is smaller."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    picture = cv2.imread(str(paths[index % len(paths)]))
    assert picture is not None, paths[index % len(paths)]
    top, left = max(0, picture.shape[0] - height) // 2, max(0, picture.shape[1] - width) // 2
    picture = picture[top : top + height, left : left + width, ::-1]
    down, right = height - picture.shape[0], width - picture.shape[1]
    return np.ascontiguousarray(np.pad(picture, ((0, down), (0, right), (0, 0)), mode="symmetric"))


def noisy(clean: Array, sigma: float, seed: int = 0) -> Array:
    """With Gaussian noise of `sigma` grey levels, as a file would hold it: rounded and clipped. Drawn by rows, to be lean."""
    random, found = np.random.default_rng(seed), clean.copy()
    for row in found:
        row[:] = (row + random.normal(0, sigma, row.shape)).round().clip(0, 255)
    return found


def scratch(height: int, width: int, start: tuple[int, int], end: tuple[int, int], *, thick: int = 9, seed: int = 0) -> Array:
    """A mask (height, width), 255 along a wavering line from `start` to `end`, (row, column) each."""
    random = np.random.default_rng(seed)
    share = np.linspace(0, 1, 64)[:, None]
    points = (1 - share) * np.asarray(start) + share * np.asarray(end)
    points[1:-1] += random.normal(0, thick, (62, 2)).cumsum(axis=0) * np.sin(np.pi * share[1:-1])  # Both ends stay.
    found = np.zeros((height, width), np.uint8)
    cv2.polylines(found, [points[:, ::-1].round().astype(np.int32)], False, 255, thick)
    return found


def write(path: Path, picture: Array) -> None:
    """A PNG, quickly."""
    picture = picture if picture.ndim == 2 else picture[..., ::-1]
    assert cv2.imwrite(str(path), picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
