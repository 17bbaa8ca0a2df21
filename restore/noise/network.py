"""The network that sees how noisy a picture is: the variance of its noise by place, colour and frequency."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.noise.model import basis

WINDOW = 16  # Side in pixels of the windows whose frequencies are told apart.
STRIDE = 8  # Between windows.
# Borders of the bands: distance from the constant, in half-waves a window.
BORDERS = (1.5, 3.0, 5.0, 8.0, 11.5)
BANDS = len(BORDERS) + 1
AXES = 6  # Red, green, blue; luma and two chroma components.
LEAST, MOST = math.log((0.1 / 127.5) ** 2), math.log(0.8**2)  # Of log variances.


def band_of() -> Tensor:
    """(WINDOW, WINDOW) the band of each coefficient of the cosine transform."""
    index = torch.arange(WINDOW, dtype=torch.float64)
    return torch.bucketize((index[:, None] ** 2 + index**2).sqrt(), torch.tensor(BORDERS, dtype=torch.float64))


def cosines() -> Tensor:
    """The orthonormal cosine transform of a window's side, (WINDOW, WINDOW)."""
    index = torch.arange(WINDOW, dtype=torch.float64)
    matrix = torch.cos(math.pi / WINDOW * (index + 0.5) * index[:, None]) * math.sqrt(2 / WINDOW)
    matrix[0] /= math.sqrt(2)
    return matrix


def band_energies(noise: Tensor) -> Tensor:
    """Mean squared coefficients of each band and axis in windows of noise (B, 3, H, W): (B, AXES, BANDS, h, w)."""
    axes = torch.cat([noise, torch.einsum("ij,bjhw->bihw", basis(3).to(noise), noise)], dim=1)
    windows = axes.unfold(2, WINDOW, STRIDE).unfold(3, WINDOW, STRIDE)  # (B, 6, h, w, 16, 16)
    transform = cosines().to(noise)
    squares = (transform @ windows @ transform.mT).square().flatten(-2)
    member = F.one_hot(band_of().flatten(), BANDS).to(noise)
    return ((squares @ member) / member.sum(dim=0)).permute(0, 1, 4, 2, 3)


class NoiseEstimator(nn.Module):
    """Log variance of the noise in each band and axis, on a grid of windows.

    Beside the picture it is shown what is left of it without a local mean, compressed, so that faint noise and strong noise
    are both seen; and a mean over the whole picture, as noise is alike everywhere while texture is not.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(24, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.overall = nn.Linear(2 * width, 2 * width)
        self.last = nn.Sequential(
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=2, dilation=2),
            nn.ReLU(),
            nn.Conv2d(2 * width, AXES * BANDS, 1),
        )

    def forward(self, y: Tensor) -> Tensor:
        """Log variances (B, AXES, BANDS, H // 8 - 1, W // 8 - 1) of y (B, 3, H, W) in [-1, 1], sides multiples of 8."""
        detail = torch.asinh(20 * (y - F.avg_pool2d(y, 5, stride=1, padding=2, count_include_pad=False)))
        features = self.first(F.pixel_unshuffle(torch.cat([y, detail], dim=1), 2))
        features = features + self.overall(features.mean(dim=(2, 3)))[:, :, None, None]
        cells = self.last(features)  # One a cell of 8 pixels; a window is four of them.
        found = F.avg_pool2d(cells, 2, stride=1).unflatten(1, (AXES, BANDS))
        return LEAST + (MOST - LEAST) * torch.sigmoid(found / 4)


def loss(log_variance: Tensor, energies: Tensor) -> Tensor:
    """The Gaussian negative log likelihood of the noise, less its least value; bands of many coefficients count for more."""
    counts = F.one_hot(band_of().flatten(), BANDS).sum(dim=0).to(energies).sqrt()
    share = energies * torch.exp(-log_variance)
    return (counts[:, None, None] * (log_variance + share)).mean()
