"""The one rule of all tasks for the noise of a picture: measured, or of a level that is given."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from restore.compression import quality_of
from restore.noise.estimation import estimate_noise
from restore.noise.model import NoiseModel
from restore.noise.quiet import quiet_share
from restore.noise.white import estimate_sigma

if TYPE_CHECKING:
    from restore.images.picture import Picture

logger = logging.getLogger("restore")
NEAR = 0.2  # Two estimates of white noise that differ by less than this share are of the same noise.
LEAST = 2.5  # Grey levels; most photographs without noise have less, and noise of 3 has more.
ABOVE = 1.15  # How much noise may be above what it is in the quietest windows.
LOSSY = 93  # Qualities of JPEG below this take noise out of quiet places, which then say nothing of it.


def noise_of(
    picture: Picture, sigma: float | Literal["auto"], *, known: Tensor | None = None, least: float = LEAST
) -> tuple[float, NoiseModel | None]:
    """The noise of a picture: its standard deviation in [-1, 1] units, and its model unless it is white.

    One line says what was found.

    Args:
        sigma: in grey levels (0-255), of white noise; "auto" to measure it.
        known: bool (1, 1, H, W), false at pixels that are no part of the picture; all are if not given.
        least: grey levels below which noise is taken for none; less than the default for a task that would magnify it.
    """
    if sigma != "auto":
        return sigma / 127.5, None
    pixels = picture.pixels
    known = with_visible(picture, known)
    model = measured(pixels, lambda: quality_of(picture), known)
    level = level_of(pixels, model, known)
    if model is None or level * 127.5 < least:
        logger.info("no noise found" if model is None else f"noise of {level * 127.5:.1f} grey levels is taken for none")
        return 0.0, None
    logger.info("noise estimated at %.1f grey levels%s", level * 127.5, described(model))
    return level, None if model.is_uncorrelated and model.is_uniform else model


def level_of(pixels: Tensor, model: NoiseModel | None, known: Tensor | None = None) -> float:
    """The standard deviation of the noise of a picture (1, C, H, W), in its units; 0 without a model.

    Args:
        known: as for `noise_of`.
    """
    level = 0.0 if model is None else model.root_mean_square(pixels)
    if model is None or known is not None or not (model.is_uncorrelated and model.is_uniform and level > 0):
        return level
    white = estimate_sigma(pixels)  # Of white noise alone, and more precise on it.
    return white if abs(math.log(max(white, 1e-6) / level)) < NEAR else level


def with_visible(picture: Picture, known: Tensor | None = None) -> Tensor | None:
    """The known pixels (1, 1, H, W) of a picture that are visible, too; None for all.

    Under transparency a picture is a smooth continuation, without noise.
    """
    if picture.alpha is None or picture.alpha.all() or not picture.alpha.any():
        return known
    visible = torch.from_numpy(picture.alpha > 0)[None, None]
    return visible if known is None else visible & known


def measured(
    pixels: Tensor, quality: Callable[[], int | None] = lambda: None, known: Tensor | None = None
) -> NoiseModel | None:
    """The model of the noise of a picture, not stronger than its quietest windows allow; None without noise.

    Detail all over a picture is taken for noise at times, but noise is everywhere. (What a JPEG of low quality added is not: it
    is where detail is.)

    Args:
        pixels: (1, 1 or 3, H, W) in [-1, 1].
        quality: of the JPEG that the picture was, 1 to 100, or None; asked only where it decides.
        known: as for `noise_of`.
    """
    model = estimate_noise(pixels, known)
    if model is None:
        return None
    share = ABOVE * quiet_share(pixels, model, known)
    if share >= 1 or (quality() or 100) < LOSSY:
        return model
    return model.scaled(share)


def described(model: NoiseModel) -> str:
    """What the noise is like beside its level, in words that follow it; nothing for white noise."""
    words = []
    if model.neighbours > 0.25:
        words.append(f"neighbours correlated by {model.neighbours:.2f}")
    if len(model.correlation) == 3 and not model.is_uncorrelated:
        middle = model.correlation.shape[-2] // 2, model.correlation.shape[-1] // 2
        luma, *chroma = model.correlation[:, middle[0], middle[1]].tolist()
        if sum(chroma) / 2 < 0.5 * luma:
            words.append("mostly of brightness")
        elif sum(chroma) / 2 > 2 * luma:
            words.append("mostly of colour")
    low, high = float(model.deviation[:, 0].mean()), float(model.deviation[:, -1].mean())
    if max(low, high) > 1.5 * min(low, high):
        words.append(f"{low * 127.5:.1f} in shadows, {high * 127.5:.1f} in highlights")
    return "".join(f", {word}" for word in words)
