"""Blind estimation of the noise level of a picture."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

PATCHES = 30_000  # Sigma is right to a few percent, in a fraction of a second.
ROUNDS = 8


def estimate_sigma(pixels: Tensor, patch: int = 8) -> float:
    """Estimates the standard deviation of white Gaussian noise in a picture, whose values may be clipped to its range.

    Clean patches lie near a low-dimensional subspace, so the smallest eigenvalues of the patch covariance equal the noise
    variance. The estimate is the mean of the largest set of them whose mean is at most its median (Chen, Zhu & Heng 2015, ICCV,
    algorithm 1). It is too high where all patches have texture, and too low where values are clipped. So it is repeated on
    patches that look like noise alone (Liu, Tanaka & Okutomi 2013, IEEE TIP 22, section III) and lie away from the ends of the
    range.

    Args:
        pixels: (1, C, H, W), any range.
        patch: side of a patch; halved for a picture of fewer than 32 * patch^2 pixels, which has too few patches.

    Returns: sigma in the units of pixels, the mean over channels; 0 for a picture with a side below 8.
    """
    height, width = pixels.shape[-2:]
    if min(height, width) < 8:
        return 0.0
    patch = patch // 2 if height * width < 32 * patch**2 else patch
    # The middle 2048 x 2048 pixels suffice.
    top, left = max(0, (height - 2048) // 2), max(0, (width - 2048) // 2)
    window = pixels[0, :, top : top + 2048, left : left + 2048].double()
    # One estimate per channel: the channels of a photograph are correlated, so they cannot be pooled as patches.
    return sum(_noise_variance(channel, patch) ** 0.5 for channel in window) / len(window)


def _noise_variance(channel: Tensor, patch: int) -> float:
    """The noise variance of one channel (H, W)."""
    stride = math.ceil((channel.numel() / PATCHES) ** 0.5)
    patches = F.unfold(channel[None, None], patch, stride=stride)[0]
    texture, mean = _texture(patches, patch), patches.mean(dim=0)
    room = torch.minimum(mean - channel.min(), channel.max() - mean)
    middle = float(room.quantile(0.7))
    # In units of the noise variance, `_texture` of pure noise is 1 on average and rarely two standard deviations above.
    noise = torch.randn(patch**2, 4096, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    limit = 1 + 2 * float(_texture(noise, patch).std())

    variance = _balanced(patches)
    for _ in range(ROUNDS):
        flat = (texture <= limit * variance) & (room >= min(2 * variance**0.5, middle))
        if int(flat.sum()) < 3 * patch**2:
            break
        before, variance = variance, _balanced(patches[:, flat])
        if abs(variance - before) <= 1e-3 * before:
            break
    return variance


def _texture(patches: Tensor, patch: int) -> Tensor:
    """Half the mean squared difference of neighbours in each patch, (patch^2, N) -> (N,); for pure noise its variance."""
    square = patches.unflatten(0, (patch, patch))
    down, across = square.diff(dim=0), square.diff(dim=1)
    return (down.square().mean(dim=(0, 1)) + across.square().mean(dim=(0, 1))) / 4


def _balanced(patches: Tensor) -> float:
    """The mean of the k smallest eigenvalues of the patch covariance, for the largest k where it is at most their median."""
    rising = torch.linalg.eigvalsh(torch.cov(patches)).clamp_min(0)
    for count in range(len(rising), 0, -1):
        mean = rising[:count].mean()
        if bool(mean <= rising[:count].median()):
            return float(mean)
    return float(rising[0])
