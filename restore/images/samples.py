"""Conversions between integer samples and pixels in [-1, 1]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from restore.operators.fill import pull_push

Samples = NDArray[Any]
BAND = 256  # Rows converted at a time.


def to_pixels(samples: Samples) -> Tensor:
    """(H, W, C) uint8 or uint16 -> (1, C, H, W) float32 in [-1, 1]."""
    half = np.float32(np.iinfo(samples.dtype).max / 2)
    height, width, channels = samples.shape
    pixels = np.empty((channels, height, width), np.float32)
    for rows in _bands(height):
        pixels[:, rows] = (samples[rows].astype(np.float32) / half - np.float32(1)).transpose(2, 0, 1)
    return torch.from_numpy(pixels)[None]


def to_samples(pixels: Tensor, depth: int) -> Samples:
    """(1, C, H, W) in [-1, 1] -> (H, W, C) uint8 or uint16; clipped, rounded half to even. The exact inverse of `to_pixels`."""
    half = np.float32((2**depth - 1) / 2)
    found = pixels[0].permute(1, 2, 0).numpy()
    samples = np.empty(found.shape, f"uint{depth}")
    for rows in _bands(len(found)):
        samples[rows] = np.clip(np.rint((found[rows] + np.float32(1)) * half), 0, 2 * half)
    return samples


def _bands(height: int) -> Iterator[slice]:
    """Bands of rows, so that intermediate arrays never have the size of the whole picture."""
    return (slice(top, top + BAND) for top in range(0, height, BAND))


def to_gray_or_rgb(kind: str, raw: Samples, palette: Samples | None) -> Samples:
    """Samples of a file (see `Picture.raw`) as gray (H, W, 1) or RGB (H, W, 3), of the same depth."""
    if kind == "bilevel":
        return raw[..., None] * np.uint8(255)
    if kind == "palette":
        assert palette is not None
        return palette[raw][..., :3]
    if kind == "cmyk":
        return np.asarray(pillow_image("CMYK", raw).convert("RGB"))
    return raw[..., None] if raw.ndim == 2 else raw


def rgb_to_cmyk(samples: Samples) -> Samples:
    """RGB (H, W, 3) uint8 -> CMYK (H, W, 4), which `to_gray_or_rgb` converts back exactly."""
    return np.asarray(pillow_image("RGB", samples).convert("CMYK"))


def pillow_image(mode: str, array: Samples) -> Image.Image:
    """A Pillow image of the array's bytes, which must have the layout of `mode`."""
    height, width = array.shape[:2]
    return Image.frombytes(mode, (width, height), np.ascontiguousarray(array).tobytes())


def apply_orientation(array: Samples, orientation: int) -> Samples:
    """(H, W, ...) rotated and flipped as EXIF orientation 1 to 8 says."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def fill_transparent(samples: Samples, opaque: NDArray[np.bool_]) -> Samples:
    """Replace the colours of transparent pixels by a smooth continuation of the others; mid-gray if all are transparent.

    Colours under full transparency are arbitrary, often black, and would affect the restored pixels beside them.

    Args:
        samples: (H, W, C).
        opaque: (H, W), False where the colour is to be replaced.
    """
    if not opaque.any():
        return np.full_like(samples, np.iinfo(samples.dtype).max // 2)
    colours = torch.from_numpy(samples.astype(np.float32)).permute(2, 0, 1)[None]
    known = torch.from_numpy(opaque.astype(np.float32)).expand_as(colours)
    smooth = pull_push(colours, known)[0].permute(1, 2, 0).numpy()
    return np.where(opaque[..., None], samples, np.rint(smooth).astype(samples.dtype))
