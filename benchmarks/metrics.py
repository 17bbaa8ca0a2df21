"""How far an answer is from the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def psnr(answer: Any, truth: Any, where: Any = None, *, peak: float = 255.0) -> float:
    """Peak signal-to-noise ratio in dB.

    Args:
        answer, truth: arrays or tensors of one shape.
        where: pixels that count, bool or above 0; all if not given. (H, W) for pictures (H, W, C).
        peak: the range of values: 255 for 8-bit pictures, 2 for pictures in [-1, 1].
    """
    error = np.square(np.asarray(answer, np.float64) - np.asarray(truth, np.float64))
    return float(10 * np.log10(peak**2 / (error if where is None else error[np.asarray(where) > 0]).mean()))


def frechet(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> Tensor:
    """Squared Wasserstein-2 distance of two Gaussians: |m - n|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2)."""
    values, basis = torch.linalg.eigh(covariance)
    root = (basis * values.clamp(min=0).sqrt()) @ basis.T
    cross = torch.linalg.eigvalsh(root @ other_covariance @ root).clamp(min=0).sqrt().sum()
    return (other_mean - mean).square().sum() + covariance.trace() + other_covariance.trace() - 2 * cross
