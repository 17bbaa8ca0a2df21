"""How wide a picture is blurred, from its edges."""

from __future__ import annotations

import cv2
import numpy as np
from torch import Tensor

SMOOTH, AGAIN = 0.8, 1.0  # Deviations in pixels: before gradients are taken, and of the second blur.
PIXEL = 1 / 12  # Variance of the mean over a pixel.
STRONGEST, SHARPEST = 0.02, 0.5  # Shares: of pixels that count as edges, and of edges that are sharper than the answer.
SMALLEST = 24  # Pixels; the least side of a picture that says anything of its blur.


def estimate_blur_width(pixels: Tensor) -> float:
    """The standard deviation in pixels of the Gaussian that comes closest to a picture's blur.

    The picture is blurred once more by a known Gaussian. Across a step, blurred by sigma, gradients fall by a ratio R with
    R^2 = (sigma^2 + s1^2) / (sigma^2 + s0^2), which gives sigma (Zhuo & Sim 2011, "Defocus map estimation from a single image",
    Pattern Recognition 44, eq. 8). The answer is the median over the strongest edges. Fine lines are no steps and look sharper
    than they are. Noise does, too: from about a twentieth of the contrast on the answer is too small, above all for wide blur.

    Args:
        pixels: (1, C, H, W) in [-1, 1].

    Returns: the width; 0 for sharp pictures, for pictures without edges, and with a side below 24.
    """
    luma = pixels.mean(dim=1)[0].float().cpu().numpy()
    if min(luma.shape) < SMALLEST:
        return 0.0
    once, steep = _gradient(cv2.GaussianBlur(luma, (0, 0), SMOOTH))
    twice, _ = _gradient(cv2.GaussianBlur(luma, (0, 0), float(np.hypot(SMOOTH, AGAIN))))
    # Crests of the gradient along its direction, away from the border.
    across = (once >= np.roll(once, 1, 1)) & (once >= np.roll(once, -1, 1))
    down = (once >= np.roll(once, 1, 0)) & (once >= np.roll(once, -1, 0))
    crest = np.where(steep, down, across)
    inside = (slice(6, -6), slice(6, -6))
    once, twice, crest = once[inside], twice[inside], crest[inside]
    edges = crest & (once >= np.quantile(once, 1 - STRONGEST)) & (once > 1e-3)
    if not edges.any():
        return 0.0
    ratio = (once[edges] / np.maximum(twice[edges], 1e-6)) ** 2
    variance = AGAIN**2 / np.maximum(ratio - 1, 1e-3) - SMOOTH**2 - PIXEL
    return float(np.sqrt(max(0.0, float(np.quantile(variance, SHARPEST)))))


def _gradient(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradient's magnitude, and where it is steeper along columns than along rows."""
    down, right = np.gradient(values)
    return np.hypot(down, right), np.abs(down) > np.abs(right)
