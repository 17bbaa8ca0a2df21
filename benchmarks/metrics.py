"""How far an answer is from the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


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


class Lpips:
    """Learned perceptual distance of pictures, LPIPS v0.1 with AlexNet (Zhang et al. 2018, 1801.03924).

    Args:
        weights: an .npz file with AlexNet's convolutions (`conv0.weight`, ...) and the linear layers (`lin0`, ...).
    """

    STRIDES, PADDINGS, POOLED = (4, 1, 1, 1, 1), (2, 2, 1, 1, 1), (1, 2)

    def __init__(self, weights: Path) -> None:
        arrays = np.load(weights)
        self.weights = {name: torch.from_numpy(arrays[name]).float() for name in arrays.files}
        self.mean = torch.tensor([-0.030, -0.088, -0.188])[:, None, None]
        self.scale = torch.tensor([0.458, 0.448, 0.450])[:, None, None]

    @torch.no_grad()
    def __call__(self, answer: Any, truth: Any) -> float:
        """The distance of two uint8 pictures (H, W, 3)."""
        total = 0.0
        for layer, (a, b) in enumerate(zip(self._features(answer), self._features(truth), strict=True)):
            a, b = (x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10) for x in (a, b))
            weights = self.weights[f"lin{layer}"].reshape(1, -1, 1, 1)
            total += float(((a - b).square() * weights).sum(dim=1).mean())
        return total

    def _features(self, picture: Any) -> list[Tensor]:
        x = torch.from_numpy(np.asarray(picture, np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
        x, found = (x - self.mean) / self.scale, []
        for layer, (stride, padding) in enumerate(zip(self.STRIDES, self.PADDINGS, strict=True)):
            if layer in self.POOLED:
                x = F.max_pool2d(x, 3, 2)
            weight, bias = self.weights[f"conv{layer}.weight"], self.weights[f"conv{layer}.bias"]
            x = F.conv2d(x, weight, bias, stride, padding).relu()
            found.append(x)
        return found
