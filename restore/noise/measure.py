"""The one rule of all tasks for the noise of a picture: measured, or of a level that is given."""

from __future__ import annotations

import logging
import math
from typing import Literal

from torch import Tensor

from restore.noise.estimation import estimate_noise
from restore.noise.model import NoiseModel
from restore.noise.white import estimate_sigma

logger = logging.getLogger("restore")
NEAR = 0.2  # Two estimates of white noise that differ by less than this share are of the same noise.


def noise_of(
    pixels: Tensor, sigma: float | Literal["auto"], *, least: float = 0.0, known: Tensor | None = None
) -> tuple[float, NoiseModel | None]:
    """The noise of a picture: its standard deviation in [-1, 1] units, and its model unless it is white.

    One line says what was found.

    Args:
        pixels: (1, C, H, W) in [-1, 1].
        sigma: in grey levels (0-255), of white noise; "auto" to measure it.
        least: grey levels; less than this measured is taken for none.
        known: bool (1, 1, H, W), false at pixels that are no part of the picture; all are if not given.
    """
    if sigma != "auto":
        return sigma / 127.5, None
    model = estimate_noise(pixels, known)
    level = 0.0 if model is None else model.root_mean_square(pixels)
    if model is None or level * 127.5 < least:
        logger.info("no noise found" if model is None else f"noise of {level * 127.5:.1f} grey levels is taken for none")
        return 0.0, None
    if model.is_uncorrelated:
        white = level if known is not None else estimate_sigma(pixels)  # Of white noise alone, and more precise on it.
        if model.is_uniform and abs(math.log(max(white, 1e-6) / level)) < NEAR:
            level = white
        logger.info("noise estimated at %.1f grey levels", level * 127.5)
        return level, None if model.is_uniform else model
    logger.info("noise estimated at %.1f grey levels, %s", level * 127.5, described(model))
    return level, model


def described(model: NoiseModel) -> str:
    """What the noise is like beside its level, in words."""
    middle = model.correlation.shape[-1] // 2
    luma = model.correlation[0]
    words = [f"neighbours correlated by {float(luma[middle, middle + 1] / luma[middle, middle]):.2f}"]
    if len(model.correlation) == 3:
        chroma = float(model.correlation[1:, middle, middle].mean() / luma[middle, middle])
        words.append(
            "mostly of brightness" if chroma < 0.5 else "of brightness and colour alike" if chroma < 2 else "mostly of colour"
        )
    low, high = float(model.deviation[:, 0].mean()), float(model.deviation[:, -1].mean())
    if max(low, high) > 1.5 * min(low, high):
        words.append(f"{low * 127.5:.1f} in shadows, {high * 127.5:.1f} in highlights")
    return ", ".join(words)
