"""Training data: random crops as a pure function of (seed, step, process).

There is no sampler state, so a resumed run sees the same crops as an uninterrupted one.
"""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restore.errors import PictureError, UsageError
from restore.training.labels import Labels, numbered
from restore.training.reading import Picture, read
from restore.training.synthetic import random_picture
from restore.wording import called

logger = logging.getLogger("restore")
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Crops:
    """Random crops of pictures held in memory.

    Attributes:
        pictures: (H, W, C) uint8 each, sides at least `size`.
        weights: probability of each picture.
        size: side of a crop in pixels.
        gray: share of crops converted to gray (all channels equal), so that a colour prior also learns gray pictures.
        jitter: share of crops whose channels are multiplied by random gains, against the colour casts of a small data set.
        flip: mirror half of the crops and rotate half of them by random multiples of 90 degrees; not for digits or letters.
        detail: candidates per crop, of which the one with the most fine detail is used, because smooth and blurred areas fill
            much of most photographs and contribute little to training.
        labels: classes of the pictures; None where they are not told.
    """

    pictures: tuple[Picture, ...]
    weights: NDArray[np.float64]
    size: int
    gray: float = 0.0
    jitter: float = 0.0
    flip: bool = True
    detail: int = 1
    labels: Labels | None = None

    @property
    def channels(self) -> int:
        return self.pictures[0].shape[2]

    def batch(self, count: int, seed: int, step: int, process: int = 0, device: torch.device = CPU) -> Tensor:
        """(count, C, size, size) float32 in [-1, 1] on `device`; the same crops on every device.

        The first call copies the pictures to the device, where they stay.
        """
        rng = np.random.default_rng((seed, step, process))
        which = self._drawn(rng, count)
        sides = self._sides[which]
        corners = rng.integers(sides[:, None] - self.size + 1, size=(count, self.detail, 2))
        mirrored = (rng.random(count) < 0.5) & self.flip
        quarters = rng.integers(4, size=count) * ((rng.random(count) < 0.5) & self.flip)
        gains = np.where(rng.random((count, 1)) < self.jitter, rng.uniform(0.75, 1.15, (count, 3)), 1.0)
        grayed = rng.random(count) < self.gray

        pixels, offsets = self._on_device(device)
        widths = _on(sides[:, 1], device)
        starts = _on(self._starts[which][:, None] + corners[..., 0] * sides[:, None, 1] + corners[..., 1], device)
        if self.detail > 1:
            windows = _gather(pixels, _indices(starts, widths[:, None], offsets[0]))
            starts = starts.gather(1, _detail(windows).argmax(dim=1, keepdim=True))
        orientations = offsets[_on(4 * mirrored + quarters, device)]
        crops = _gather(pixels, _indices(starts[:, 0], widths, orientations)).permute(0, 3, 1, 2).float() / 127.5 - 1
        if self.channels == 3 and self.jitter:
            crops = ((crops + 1) * _on(gains.astype(np.float32), device)[:, :, None, None] - 1).clamp(-1, 1)
        if self.channels == 3 and self.gray:
            crops = torch.where(_on(grayed, device)[:, None, None, None], crops.mean(dim=1, keepdim=True), crops)
        return crops.contiguous()

    def chosen(self, count: int, seed: int, step: int, process: int = 0) -> NDArray[np.int64]:
        """(count,), the numbers of the pictures that a batch is cut from."""
        return self._drawn(np.random.default_rng((seed, step, process)), count)

    def classes(self, count: int, seed: int, step: int, process: int = 0, device: torch.device = CPU) -> Tensor | None:
        """(count,) int64, the classes that go with a batch; None without labels."""
        if self.labels is None:
            return None
        return _on(self.labels.told(self.chosen(count, seed, step, process), seed, step, process), device)

    @property
    def fixed(self) -> bool:
        """Whether every crop of a picture is that picture as it is."""
        changed = self.flip or self.gray > 0 or self.jitter > 0
        return not changed and bool((self._sides == self.size).all())

    def whole(self) -> Tensor:
        """(N, C, size, size) float32 in [-1, 1], all pictures, where crops are `fixed`."""
        return torch.from_numpy(np.stack(self.pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1

    def _drawn(self, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        return self._cumulative_weights.searchsorted(rng.random(count), side="right")

    @cached_property
    def _cumulative_weights(self) -> NDArray[np.float64]:
        total: NDArray[np.float64] = self.weights.cumsum()
        return total / total[-1]

    @cached_property
    def _sides(self) -> NDArray[np.int64]:
        return np.array([picture.shape[:2] for picture in self.pictures])

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """Index of the first pixel of each picture in the concatenated pixels of all."""
        return np.concatenate([[0], self._sides.prod(axis=1).cumsum()[:-1]])

    @cached_property
    def _by_device(self) -> dict[torch.device, tuple[Tensor, Tensor]]:
        return {}

    def _on_device(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Tensors on a device: the pixels, and the offsets of a crop in each orientation.

        Returns: (P, C) uint8, the concatenated pixels of all pictures; (8, size, size, 2), for each combination of mirroring
        and rotation the row and column that each pixel of a crop comes from.
        """
        if device not in self._by_device:
            pixels = np.concatenate([picture.reshape(-1, self.channels) for picture in self.pictures])
            down, right = torch.meshgrid(torch.arange(self.size), torch.arange(self.size), indexing="ij")
            straight = torch.stack([down, right], dim=-1)
            offsets = [mirrored.rot90(quarters) for mirrored in (straight, straight.flip(1)) for quarters in range(4)]
            self._by_device[device] = torch.from_numpy(pixels).to(device), torch.stack(offsets).to(device)
        return self._by_device[device]


def _indices(starts: Tensor, widths: Tensor, offsets: Tensor) -> Tensor:
    """Indices (..., size, size) into the concatenated pixels."""
    return starts[..., None, None] + offsets[..., 0] * widths[..., None, None] + offsets[..., 1]


def _on(array: NDArray[Any], device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


def _gather(pixels: Tensor, indices: Tensor) -> Tensor:
    return pixels.index_select(0, indices.flatten()).view(*indices.shape, -1)  # Faster than indexing on a CPU.


def _detail(windows: Tensor) -> Tensor:
    """A measure of fine detail: the mean absolute Laplacian, (..., H, W, C) -> (...)."""
    x = windows.float()
    middle = x[..., 1:-1, 1:-1, :]
    around = x[..., :-2, 1:-1, :] + x[..., 2:, 1:-1, :] + x[..., 1:-1, :-2, :] + x[..., 1:-1, 2:, :]
    return (around - 4 * middle).abs().mean(dim=(-3, -2, -1))


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
    labels: float | None = None,
) -> Crops:
    """Load pictures, folders of pictures (recursively) and .npz/.npy arrays.

    Args:
        sources: picture files, folders, or arrays (N, H, W) or (N, H, W, C) uint8; an .npz file holds the array as `images`.
        size, gray, jitter, flip, detail: as for `Crops`.
        channels: 1 or 3.
        scales: factors at which every picture of a file or folder is added; reduced pictures are sharper and less noisy.
        procedural: share of crops from procedurally generated pictures (see restore/training/synthetic.py).
        procedural_count: how many of these to generate.
        seed: of the generated pictures.
        labels: share of classes that are not told (`Labels.dropout`); None to read no classes.

    Raises: PictureError if there are no pictures; UsageError if there are no labels, or all are smaller than `size`.
    """
    found: list[Picture] = []
    classes: list[str | None] = []
    names: dict[str, None] = {}
    for place in sources:
        shown, told = read(place, channels, scales, labelled=labels is not None)
        found += shown
        classes += told[0]
        names |= dict.fromkeys(told[1])
    if not found:
        raise PictureError(f"no pictures in {', '.join(str(source) for source in sources)}")
    large = [min(picture.shape[:2]) >= size for picture in found]
    photographs = list(itertools.compress(found, large))
    if not photographs:
        raise UsageError(f"every picture is smaller than the crop size {size}; give a smaller {called('size')}")
    # The square root of the area: the content of a picture grows more slowly than its area.
    weights = np.sqrt([float(picture.shape[0] * picture.shape[1]) for picture in photographs])
    weights *= (1 - procedural) / weights.sum()
    generated: list[Picture] = []
    if procedural > 0:
        rng = np.random.default_rng(seed)
        while len(generated) < procedural_count:
            source = photographs[rng.integers(len(photographs))]
            palette = source.reshape(-1, channels)[rng.integers(0, source.shape[0] * source.shape[1], 256)]
            one = random_picture(rng, np.broadcast_to(palette, (256, 3)), size=max(192, size))
            generated.append(one if channels == 3 else one[..., :1])
        weights = np.concatenate([weights, np.full(len(generated), procedural / len(generated))])
    logger.info("%d pictures and %d procedural ones", len(photographs), len(generated))
    pictures = (*photographs, *generated)
    if labels is None:
        return Crops(pictures, weights, size, gray, jitter, flip, detail)
    kept = [*itertools.compress(classes, large), *[None] * len(generated)]
    return Crops(pictures, weights, size, gray, jitter, flip, detail, numbered(kept, list(names), labels))
