"""Pictures of folders, photographs of any size, noise and scratches on them, the same on every machine."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restore.operators import Downsample

Array = NDArray[np.uint8]
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp"}


def paths(folder: Path) -> list[Path]:
    """Pictures of a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def spread(folder: Path, count: int) -> list[Path]:
    """So many pictures spread evenly over a folder."""
    found = paths(folder)
    return [found[index * len(found) // count] for index in range(count)]


def read(path: Path) -> Array:
    """(H, W, 3) uint8 RGB."""
    picture = cv2.imread(str(path))
    if picture is None:
        raise SystemExit(f"{path}: not a picture")
    return np.asarray(picture[..., ::-1], np.uint8, order="C")


def write(path: Path, picture: Array, *, quality: int = 92) -> None:
    """RGB or gray; a PNG is written quickly, a JPEG in a quality of 100."""
    picture = picture if picture.ndim == 2 else picture[..., ::-1]
    jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if jpeg else [cv2.IMWRITE_PNG_COMPRESSION, 1]
    assert cv2.imwrite(str(path), picture, options), path


def tensor(picture: Array) -> Tensor:
    """(1, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1


def rounded(picture: NDArray) -> Array:
    """Values as a file would hold them."""
    return picture.round().clip(0, 255).astype(np.uint8)


def reduced(picture: Array, scale: int) -> Array:
    """By the toolkit's own bicubic kernel, rounded."""
    small = Downsample(picture.shape[:2], scale)(torch.from_numpy(picture).permute(2, 0, 1)[None].double())
    return rounded(small[0].permute(1, 2, 0).numpy())


def middle(picture: Array, side: int) -> Array:
    """The middle square of a picture."""
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + side, left : left + side])


def crops(folder: Path, count: int, side: int) -> list[Tensor]:
    """(1, 3, side, side) in [-1, 1]: the middle of so many pictures spread over a folder."""
    return [tensor(middle(read(path), side)) for path in spread(folder, count)]


def photograph(folder: Path, height: int, width: int) -> Array:
    """(height, width, 3): the first picture of a folder, its middle where it is larger, mirrored on where it is smaller."""
    picture = read(paths(folder)[0])
    top, left = max(0, picture.shape[0] - height) // 2, max(0, picture.shape[1] - width) // 2
    picture = picture[top : top + height, left : left + width]
    down, right = height - picture.shape[0], width - picture.shape[1]
    return np.ascontiguousarray(np.pad(picture, ((0, down), (0, right), (0, 0)), mode="symmetric"))


def noisy(clean: Array, sigma: float, seed: int = 0) -> Array:
    """With Gaussian noise of `sigma` grey levels, as a file would hold it: rounded and clipped. Drawn by rows, to be lean."""
    random, found = np.random.default_rng(seed), clean.copy()
    for row in found:
        row[:] = rounded(row + random.normal(0, sigma, row.shape))
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
