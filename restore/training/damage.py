"""Seeded damage of the kinds that people's own pictures have: cameras, film, websites.

Every function takes a clean picture, (H, W, 3) float64 in [0, 255], and a generator, and returns a picture as a file would hold
it: uint8 of the same size.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import cv2
import numpy as np
from PIL import Image

Picture = np.ndarray
Damage = Callable[[Picture, np.random.Generator], Picture]


def rounded(x: Picture) -> Picture:
    return np.asarray(np.clip(np.rint(x), 0, 255), dtype=np.uint8)


def jpeg(x: Picture, quality: int, subsampling: int = 2) -> Picture:
    """Saved as a JPEG and read again; subsampling as Pillow counts it, 2 for 4:2:0."""
    buffer = BytesIO()
    Image.fromarray(rounded(x)).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(buffer).convert("RGB"))


def compressed(quality: int | None) -> Damage:
    """A JPEG of this quality, or nothing but rounding."""

    def damage(x: Picture, random: np.random.Generator) -> Picture:
        return rounded(x) if quality is None else jpeg(x, quality)

    return damage


def white(deviation: float, quality: int | None = None) -> Damage:
    """White Gaussian noise, the same level in all channels, then a JPEG."""

    def damage(x: Picture, random: np.random.Generator) -> Picture:
        noisy = x + deviation * random.standard_normal(x.shape)
        return rounded(noisy) if quality is None else jpeg(noisy, quality)

    return damage


def grain(deviation: float, width: float, shared: float = 0.5, quality: int | None = None) -> Damage:
    """Film grain: Gaussian noise blurred by a Gaussian of this width in pixels, scaled to the deviation afterwards.

    Args:
        shared: share of its variance that all channels have in common.
    """

    def damage(x: Picture, random: np.random.Generator) -> Picture:
        apart, common = random.standard_normal(x.shape), random.standard_normal((*x.shape[:2], 1))
        noise = np.sqrt(1 - shared) * apart + np.sqrt(shared) * common
        noise = cv2.GaussianBlur(noise, (0, 0), width)
        noisy = x + deviation * noise / noise.std()
        return rounded(noisy) if quality is None else jpeg(noisy, quality)

    return damage


def photons(peak: float, quality: int | None = None) -> Damage:
    """Poisson noise of each channel alone: white in space, its variance the brightness."""

    def damage(x: Picture, random: np.random.Generator) -> Picture:
        noisy = random.poisson(np.clip(x, 0, 255) / 255 * peak) / peak * 255
        return rounded(noisy) if quality is None else jpeg(noisy, quality)

    return damage


def camera(photons_at_white: float, read: float, quality: int | None) -> Damage:
    """A camera: linear light, white balance, a Bayer mosaic, photons and read noise, demosaicing, gamma, JPEG.

    Args:
        photons_at_white: electrons of a white pixel.
        read: standard deviation of read noise, in electrons.
    """
    balance = np.array([2.0, 1.0, 1.6])

    def damage(x: Picture, random: np.random.Generator) -> Picture:
        linear = (np.clip(x, 0, 255) / 255) ** 2.2 / balance
        height, width = linear.shape[:2]
        mosaic = linear[..., 1].copy()
        mosaic[0::2, 0::2], mosaic[1::2, 1::2] = linear[0::2, 0::2, 0], linear[1::2, 1::2, 2]
        electrons = random.poisson(mosaic * photons_at_white) + read * random.standard_normal(mosaic.shape)
        black, white_level = 2000.0, 60000.0
        raw = np.clip(electrons / photons_at_white * (white_level - black) + black, 0, 65535).astype(np.uint16)
        colour = cv2.cvtColor(np.ascontiguousarray(raw), cv2.COLOR_BayerBG2RGB_EA)[:height, :width].astype(np.float64)
        linear = np.clip((colour - black) / (white_level - black) * balance, 0, 1)
        developed = 255 * linear ** (1 / 2.2)
        return rounded(developed) if quality is None else jpeg(developed, quality)

    return damage


def resized(deviation: float, scale: float, quality: int | None = None) -> Damage:
    """White noise of a picture that was larger by `scale`, then reduced by area averaging: what a website shows."""

    def damage(x: Picture, random: np.random.Generator) -> Picture:
        height, width = x.shape[:2]
        large = cv2.resize(x, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_CUBIC)
        large = large + deviation * random.standard_normal(large.shape)
        small = cv2.resize(large, (width, height), interpolation=cv2.INTER_LINEAR)
        return rounded(small) if quality is None else jpeg(small, quality)

    return damage


def random_damage(random: np.random.Generator) -> Damage:
    """One of all kinds, of any level that people's pictures have; one in ten is clean, half of the others are JPEGs."""
    quality = int(random.integers(30, 99)) if random.random() < 0.5 else None
    level = float(np.exp(random.uniform(np.log(0.7), np.log(45))))
    kind = random.integers(10)
    if kind == 9:
        return compressed(None)
    if kind in (0, 8):
        return compressed(int(random.integers(20, 99)))
    if kind <= 2:
        return white(level, quality)
    if kind == 3:
        return grain(min(level, 30.0), float(random.uniform(0.4, 2.0)), float(random.uniform(0, 1)), quality)
    if kind == 4:
        return photons(float(np.exp(random.uniform(np.log(20), np.log(3000)))), quality)
    if kind <= 6:
        full = float(np.exp(random.uniform(np.log(150), np.log(30000))))
        return camera(full, float(random.uniform(1, 10)), quality)
    return resized(level, float(random.uniform(1.1, 2.2)), quality)
