"""Whether a picture is gray, or toned like a sepia print."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

TONED = 3.0  # Grey levels by which the colours of a toned picture depart from a function of its brightness.


def is_gray(pixels: Tensor) -> bool:
    """Whether a picture (1, C, H, W) has one channel, or R = G = B everywhere."""
    return pixels.shape[1] == 1 or bool((pixels == pixels[:, :1]).all())


def is_toned(pixels: Tensor) -> bool:
    """Whether colours are a function of brightness: what is left of them after a cubic in it is small."""
    small = F.avg_pool2d(pixels, 4) if min(pixels.shape[-2:]) >= 16 else pixels
    levels = 127.5 * small[0].flatten(1).double()
    luma = levels.mean(dim=0)
    powers = torch.stack([(luma / 127.5) ** power for power in range(4)], dim=1)
    away = levels[[0, 2]].T - luma[:, None]
    left = away - powers @ torch.linalg.lstsq(powers, away).solution
    return float(left.square().mean().sqrt()) < TONED
