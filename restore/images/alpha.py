"""Alpha at another size, with edges that stay edges."""

from __future__ import annotations

import cv2
import numpy as np

from restore.images.samples import Samples

SMOOTH = 0.8  # Standard deviation in pixels of the small picture that turns the steps of a hard edge into its line.
HARD = (0.6, 0.9)  # Contrast of neighbours, as a share of the range: below it soft, above it an edge.


def resize_alpha(alpha: Samples, height: int, width: int) -> Samples:
    """Alpha (H, W) at another size: area means if neither side grows, otherwise as `enlarge_alpha`."""
    if height > alpha.shape[0] or width > alpha.shape[1]:
        return enlarge_alpha(alpha, height, width)
    values = cv2.resize(alpha.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return np.clip(np.rint(values), 0, np.iinfo(alpha.dtype).max).astype(alpha.dtype)


def enlarge_alpha(alpha: Samples, height: int, width: int) -> Samples:
    """Alpha (H, W) at a larger size.

    Interpolation alone draws a cut-out's edge `scale` times as wide, and keeps the steps of one without intermediate values.
    So near edges between transparent and opaque such steps are smoothed, and the interpolated values are steepened until the
    edge is as narrow as it was, in pixels. Gradients of several pixels, as of hair and shadows, are interpolated.

    Args:
        alpha: uint8 or uint16.
        height, width: at least those of alpha.
    """
    full = float(np.iinfo(alpha.dtype).max)
    values = alpha.astype(np.float32) / full
    size = (width, height)
    scale = max(height / alpha.shape[0], width / alpha.shape[1])
    soft = cv2.resize(values, size, interpolation=cv2.INTER_CUBIC)
    # How much of the range is crossed within one pixel on either side.
    around = np.ones((3, 3), np.uint8)
    contrast = cv2.dilate(values, around) - cv2.erode(values, around)
    hard = np.clip((contrast - HARD[0]) / (HARD[1] - HARD[0]), 0, 1)
    if hard.any():
        # Steps show where there is nothing between the ends; antialiased edges are lines already.
        between = cv2.blur(((values > 0.04) & (values < 0.96)).astype(np.float32), (5, 5))
        stepped = np.clip(1 - 8 * between, 0, 1)
        smooth = cv2.GaussianBlur(values, (0, 0), SMOOTH)
        line = cv2.resize(values + stepped * (smooth - values), size, interpolation=cv2.INTER_CUBIC)
        # The slope of a step smoothed by a Gaussian is 1 / (sqrt(2 pi) SMOOTH) a pixel, of an antialiased one about 1.
        slope = 1 + cv2.resize(stepped, size, interpolation=cv2.INTER_LINEAR) * (np.sqrt(2 * np.pi) * SMOOTH - 1)
        edge = np.clip(0.5 + (line - 0.5) * slope * scale, 0, 1)
        share = cv2.resize(cv2.dilate(hard, around), size, interpolation=cv2.INTER_LINEAR)
        soft = soft + np.clip(share, 0, 1) * (edge - soft)
    return np.clip(np.rint(soft * full), 0, full).astype(alpha.dtype)
