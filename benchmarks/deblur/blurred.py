"""Blurred pictures: kernels, and the middle of pictures that were blurred whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from restore.operators import kernels

SIDE, NOISE, SPAN = 256, 2.55, 17
WALKS = (1, 2)
NONE = Path()  # No folder.


def walk(seed: int, points: int = 400) -> Tensor:
    """A kernel along a random walk whose speed changes little by little, scaled to `SPAN`."""
    random = np.random.default_rng(seed)
    speed, places = random.normal(size=2), []
    place = np.zeros(2)
    for _ in range(points):
        speed = 0.97 * speed + 0.25 * random.normal(size=2)
        place = place + speed
        places.append(place)
    found = np.array(places)
    found -= (found.max(axis=0) + found.min(axis=0)) / 2
    found *= (SPAN // 2 - 1) / np.abs(found).max()
    return kernels.path(*torch.from_numpy(found).T)


def all_kernels(folder: Path = NONE) -> Iterator[tuple[str, Tensor]]:
    """A Gaussian of 1.6 px, two walks, and those of a folder of .npy files, by their names."""
    yield "gaussian 1.6", kernels.gaussian(1.6)
    for seed in WALKS:
        yield f"walk {seed}", walk(seed)
    for path in [] if folder == NONE else sorted(folder.glob("*.npy")):
        kernel = torch.from_numpy(np.load(path)).double()
        yield path.stem, kernel / kernel.sum()


def blurred(whole: NDArray, kernel: Tensor, side: int = SIDE) -> tuple[NDArray, NDArray]:
    """The middle of a blurred picture, so that what lies beyond the border leaks in, and that of the sharp one; float64."""
    height, width = kernel.shape
    x = torch.from_numpy(whole).permute(2, 0, 1)[None].double()
    y = F.conv2d(x, kernel.flip(0, 1).expand(3, 1, height, width), groups=3)[0].permute(1, 2, 0).numpy()
    top, left = ((length - side) // 2 for length in whole.shape[:2])
    at = top - (height - 1 - height // 2), left - (width - 1 - width // 2)  # The convolution begins inside.
    return y[at[0] : at[0] + side, at[1] : at[1] + side], whole[top : top + side, left : left + side]


def white(picture: NDArray, sigma: float, seed: int) -> NDArray:
    """With white noise of a deviation in grey levels; float64."""
    return np.asarray(picture + sigma * np.random.default_rng(seed).standard_normal(picture.shape))
