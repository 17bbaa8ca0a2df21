"""Training pictures: crops of folders and arrays, drawn as a pure function of (seed, step, process).

No state is kept, so a resumed run draws exactly what an uninterrupted one would have.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from restore.errors import PictureError, UsageError
from restore.training.procedural import drawn as drawn_picture

logger = logging.getLogger("restore")
Picture = NDArray[np.uint8]
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class Crops:
    """Random crops of pictures held in memory.

    Attributes:
        pictures: (H, W, C) uint8 each, sides at least `size`.
        weights: probability of each picture.
        size: side of a crop in pixels.
        gray: share of crops shown as gray (all channels equal), which teaches a colour prior to treat gray pictures.
        jitter: share of crops whose channels are scaled by random gains, against colour casts of a small collection.
        flip: half of the crops are mirrored and half are turned; not for pictures with a right way round, like digits.
        detail: crops of a picture that are looked at for each one kept, the one with the most fine detail. Sky and blur fill
            much of most photographs and teach little.
    """

    pictures: tuple[Picture, ...]
    weights: NDArray[np.float64]
    size: int
    gray: float = 0.0
    jitter: float = 0.0
    flip: bool = True
    detail: int = 1

    @cached_property
    def _chances(self) -> NDArray[np.float64]:
        total: NDArray[np.float64] = self.weights.cumsum()
        return total / total[-1]

    @property
    def channels(self) -> int:
        return self.pictures[0].shape[2]

    def batch(self, count: int, seed: int, step: int, process: int = 0) -> Tensor:
        """(count, C, size, size) float32 in [-1, 1]."""
        rng = np.random.default_rng((seed, step, process))
        crops = np.stack([self._crop(rng) for _ in range(count)])
        return torch.from_numpy(crops).permute(0, 3, 1, 2).contiguous()

    def _crop(self, rng: Generator) -> NDArray[np.float32]:
        picture = self.pictures[self._chances.searchsorted(rng.random(), side="right")]
        found = [self._window(picture, rng) for _ in range(self.detail)]
        crop = (max(found, key=_fine) if self.detail > 1 else found[0]).astype(np.float32) / 127.5 - 1
        if self.flip:
            crop = crop[:, ::-1] if rng.random() < 0.5 else crop
            crop = np.rot90(crop, int(rng.integers(4))) if rng.random() < 0.5 else crop
        if self.channels == 3 and rng.random() < self.jitter:
            crop = np.clip((crop + 1) * rng.uniform(0.75, 1.15, 3).astype(np.float32) - 1, -1, 1)
        if self.channels == 3 and rng.random() < self.gray:
            crop = np.repeat(crop.mean(axis=2, keepdims=True), 3, axis=2)
        return crop.astype(np.float32)

    def _window(self, picture: Picture, rng: Generator) -> Picture:
        top = rng.integers(picture.shape[0] - self.size + 1)
        left = rng.integers(picture.shape[1] - self.size + 1)
        return picture[top : top + self.size, left : left + self.size]


def _fine(crop: Picture) -> float:
    """How much fine detail a crop has: the mean size of its Laplacian."""
    return float(np.abs(cv2.Laplacian(np.ascontiguousarray(crop), cv2.CV_32F)).mean())


def load_crops(
    sources: tuple[Path, ...],
    *,
    size: int,
    channels: int = 3,
    scales: tuple[float, ...] = (1.0,),
    procedural: float = 0.0,
    procedural_count: int = 400,
    gray: float = 0.0,
    jitter: float = 0.0,
    flip: bool = True,
    detail: int = 1,
    seed: int = 0,
) -> Crops:
    """Reads folders (recursively) and .npz/.npy arrays into crops.

    Args:
        sources: folders of pictures, or arrays (N, H, W) or (N, H, W, C) uint8; an .npz holds it under `images`.
        scales: each picture of a folder is also kept at these sizes; sharper, cleaner and more varied than one size.
        procedural: probability of a crop of a drawn picture.

    Raises: PictureError if nothing usable is found; UsageError for a size larger than every picture.
    """
    found = [picture for source in sources for picture in _read(source, channels, scales)]
    if not found:
        raise PictureError(f"no pictures in {', '.join(str(source) for source in sources)}")
    photographs = [picture for picture in found if min(picture.shape[:2]) >= size]
    if not photographs:
        raise UsageError(f"every picture is smaller than the crop size {size}; give a smaller --size")
    # The square root evens out large and small pictures: a large one is not more telling in proportion to its area.
    weights = np.sqrt([float(picture.shape[0] * picture.shape[1]) for picture in photographs])
    weights *= (1 - procedural) / weights.sum()
    drawn: list[Picture] = []
    if procedural > 0:
        rng = np.random.default_rng(seed)
        while len(drawn) < procedural_count:
            source = photographs[rng.integers(len(photographs))]
            palette = source.reshape(-1, channels)[rng.integers(0, source.shape[0] * source.shape[1], 256)]
            one = drawn_picture(rng, np.broadcast_to(palette, (256, 3)), size=max(192, size))
            drawn.append(one if channels == 3 else one[..., :1])
        weights = np.concatenate([weights, np.full(len(drawn), procedural / len(drawn))])
    logger.info("%d pictures and %d procedural ones", len(photographs), len(drawn))
    return Crops((*photographs, *drawn), weights, size, gray, jitter, flip, detail)


def _read(source: Path, channels: int, scales: tuple[float, ...]) -> list[Picture]:
    if source.suffix in {".npz", ".npy"}:
        return list(_read_array(source, channels))
    if not source.is_dir():
        raise PictureError(f"{source}: give a folder of pictures or an .npz/.npy array")
    pictures = []
    for path in sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES):
        loaded = cv2.imread(str(path), cv2.IMREAD_COLOR if channels == 3 else cv2.IMREAD_GRAYSCALE)
        if loaded is None:
            logger.warning("%s: not a picture OpenCV can read, left out", path)
            continue
        picture = np.asarray(loaded[..., ::-1] if channels == 3 else loaded[..., None], np.uint8)
        pictures += [_scaled(picture, scale) for scale in scales]
    return pictures


def _read_array(source: Path, channels: int) -> Picture:
    try:
        loaded = np.load(source, allow_pickle=False)
        array = loaded["images"] if source.suffix == ".npz" else loaded
    except (OSError, ValueError, KeyError) as error:
        raise PictureError(f"{source}: not an array of pictures ({error})") from None
    array = array[..., None] if array.ndim == 3 else array
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != channels:
        hint = f"; give --channels {array.shape[3]}" if array.ndim == 4 and array.shape[3] in (1, 3) else ""
        raise PictureError(f"{source}: expected (N, H, W, {channels}) uint8, found {array.shape} {array.dtype}{hint}")
    return array


def _scaled(picture: Picture, scale: float) -> Picture:
    if scale == 1:
        return picture
    resized = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    return resized if resized.ndim == 3 else resized[..., None]
