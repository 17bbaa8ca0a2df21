"""How noisy a picture is, from the picture alone."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def estimate_sigma(pixels: Tensor, patch: int = 8) -> float:
    """Standard deviation of white Gaussian noise in a picture (Chen, Zhu & Heng 2015, ICCV, algorithm 1).

    Clean patches lie near a low-dimensional subspace, so the smallest eigenvalues of the patch covariance are the noise's
    variance: the largest set of them whose mean is its median.

    Args:
        pixels: (1, C, H, W), any range; sides of at least 2 * patch, smaller ones answer 0.
        patch: side of a patch.

    Returns: sigma in the units of pixels.
    """
    height, width = pixels.shape[-2:]
    if min(height, width) < 2 * patch:
        return 0.0
    # A window of some 4 megapixels in the middle says as much as the whole picture.
    top, left = max(0, (height - 2048) // 2), max(0, (width - 2048) // 2)
    window = pixels[..., top : top + 2048, left : left + 2048].double()
    stride = 3 if window.shape[-2] * window.shape[-1] > 512**2 else 1
    estimates = []
    for channel in window[0]:  # Noise is alike in all channels, but channels of a photograph are not independent.
        patches = F.unfold(channel[None, None], patch, stride=stride)[0]
        eigenvalues = torch.linalg.eigvalsh(torch.cov(patches)).clamp_min(0)
        estimates.append(_noise_variance(eigenvalues) ** 0.5)
    return float(sum(estimates) / len(estimates))


def _noise_variance(rising: Tensor) -> float:
    """The mean of the most eigenvalues, smallest first, that are balanced about it: as many above as below."""
    for count in range(len(rising), 0, -1):
        mean = rising[:count].mean()
        if bool(mean <= rising[:count].median()):
            return float(mean)
    return float(rising[0])
