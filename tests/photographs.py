"""Crops of the sample photographs, the bundled prior loaded once, and priors that cost nothing."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from restore import Restorer
from restore.device.placement import Placement
from restore.priors import Prior

SAMPLES = Path(__file__).parent.parent / "samples"
PLACE = Placement(torch.device("cpu"), torch.float32)
Array = NDArray[np.uint8]


@lru_cache
def photo(dtype: str | None = "float32") -> Restorer:
    """The bundled prior: in float32, whose values every CPU agrees on, or with None in the dtype that the suite runs in."""
    return Restorer.from_pretrained("photo", device="cpu", dtype=dtype)


def crop(name: str, top: int, left: int, side: int = 128) -> Array:
    """(side, side, 3) uint8 RGB of a sample photograph."""
    whole = cv2.imread(str(SAMPLES / "photos" / f"{name}.png"))
    return np.ascontiguousarray(whole[top : top + side, left : left + side, ::-1])


def scratches(name: str, top: int, left: int, side: int = 128) -> NDArray[np.bool_]:
    """The sample mask of the same crop, True = damaged."""
    whole = cv2.imread(str(SAMPLES / "masks" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
    return whole[top : top + side, left : left + side] > 127


def noisy(clean: NDArray[np.generic], sigma: float, seed: int = 0) -> Array:
    """With Gaussian noise of `sigma` grey levels, as a file would hold it: rounded and clipped."""
    drawn = clean + np.random.default_rng(seed).normal(0, sigma, clean.shape)
    return drawn.round().clip(0, 255).astype(np.uint8)


def psnr(found: NDArray[np.generic], wanted: NDArray[np.generic], where: NDArray[np.bool_] | None = None) -> float:
    error = (found.astype(np.float64) - wanted.astype(np.float64)) ** 2
    return float(10 * np.log10(255**2 / (error if where is None else error[where]).mean()))


class Shrinking(Prior):
    """The best denoiser of white pictures of variance 1, pixel by pixel."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / (1 + sigma[:, None, None, None] ** 2)


class Blurring(Prior):
    """Looks at the eight neighbours, no further."""

    context = 32

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        mean = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        share = (sigma / (0.2 + sigma))[:, None, None, None]
        return x + share * (mean - x)


class Counting(Prior):
    """Another prior, counted."""

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior, self.calls, self.pixels, self.largest = prior, 0, 0, 0
        self.channels, self.multiple_of, self.context = prior.channels, prior.multiple_of, prior.context
        self.sigma_min, self.sigma_max, self.levels = prior.sigma_min, prior.sigma_max, prior.levels

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.calls += 1
        self.pixels += x[:, 0].numel()
        self.largest = max(self.largest, *x.shape[-2:])
        return self.prior(x, sigma)


def cheap(prior: Prior | None = None, tile: int | None = None) -> Restorer:
    """A restorer with a toy prior."""
    return Restorer(prior or Shrinking(), placement=PLACE, tile=tile)
