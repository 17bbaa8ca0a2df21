"""Votes: every patch that covers a pixel of a hole says what colour it has there."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from restore.exemplars.canvas import Canvas
from restore.exemplars.search import Field

QUANTILE = 0.75  # Of distances: how far the patches are that still count (Wexler, Shechtman & Irani 2007, section 3.2).
SAMPLE = 10_000  # Distances of which the quantile is taken.


def voted(canvas: Canvas, field: Field, rim: Tensor, radius: int) -> Canvas:
    """The canvas with the weighted mean of all votes at the wanted pixels.

    Args:
        rim: (H W,), the factor of a patch by its centre's place; see `rim_weights`.
    """
    every = max(1, len(field.distance) // SAMPLE)
    scale = torch.quantile(field.distance[::every], QUANTILE).clamp_min(1e-8)
    weight = (torch.exp(-field.distance / (2 * scale)) * rim[field.targets]).clamp_min(1e-12)
    height, width, channels = canvas.pixels.shape
    colours = canvas.pixels.view(-1, channels)
    total, sums = colours.new_zeros(height * width), colours.new_zeros(height * width, channels)
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            step = down * width + right
            total.index_add_(0, field.targets + step, weight)
            sums.index_add_(0, field.targets + step, colours[field.sources + step] * weight[:, None])
    mean = (sums / total.clamp_min(1e-20)[:, None]).view_as(canvas.pixels)
    return canvas.with_pixels(mean.where(canvas.wanted[..., None], canvas.pixels))


def rim_weights(canvas: Canvas, base: float) -> Tensor:
    """base^-d (H W,), d a place's distance in pixels to what is known: what is near the rim is surer."""
    missing = np.pad((~canvas.known).numpy().astype(np.uint8), 0)
    far = cv2.distanceTransform(missing, cv2.DIST_L2, cv2.DIST_MASK_5) if missing.any() else np.zeros(missing.shape, np.float32)
    return torch.pow(base, -torch.from_numpy(np.asarray(far, np.float32)).flatten())
