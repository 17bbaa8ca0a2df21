"""A first guess of what holes hold, before any patch is compared."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from restore.exemplars.canvas import Canvas

RADIUS = 3  # Pixels around one to fill that are looked at.


def first_guess(picture: Tensor, known: Tensor) -> Tensor:
    """A picture (C, H, W) in [-1, 1] whose unknown pixels are filled by the fast marching method, in steps of 1/127.5.

    It carries edges on across a hole, straight and blurred, which tells the coarsest patches where what should lie (Telea 2004,
    "An image inpainting technique based on the fast marching method").

    Args:
        known: bool (H, W).
    """
    missing = np.asarray((~known).numpy(), np.uint8)
    levels = ((picture + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
    planes = [cv2.inpaint(np.ascontiguousarray(plane), missing, RADIUS, cv2.INPAINT_TELEA) for plane in levels]
    guess = torch.from_numpy(np.stack(planes)).to(picture.dtype) / 127.5 - 1
    return picture.where(known, guess)


def with_guess(canvas: Canvas, guess: Tensor) -> Canvas:
    """The canvas with a guess (C, H, W) of the full size, reduced by halves to its own, at the wanted pixels."""
    while guess.shape[-2] > canvas.height:
        guess = F.avg_pool2d(guess[None], 2, ceil_mode=True, count_include_pad=False)[0]
    channels, height, width = guess.shape
    pixels, wanted = canvas.pixels.clone(), canvas.wanted[:height, :width, None]
    shown = pixels[:height, :width, :channels]
    pixels[:height, :width, :channels] = guess.permute(1, 2, 0).where(wanted, shown)
    return canvas.with_pixels(pixels)
