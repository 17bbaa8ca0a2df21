"""By which kernel a picture was made small, from its spectrum."""

from __future__ import annotations

import torch
from torch import Tensor

WINDOW = 64  # Pixels; of the spectrum.
WINDOWS = 400  # That are looked at, spread over the picture.
LEAST = 96  # The least side of a small picture: a single window may hold anything.
REDUCTIONS = ("bicubic", "box", "gaussian:0.6", "gaussian:0.8")
SURE = (0.0, 0.95, 0.8, 0.8)  # Least probability of each; what is less sure is taken for bicubic.
# Bands of frequency, of 32 up to the Nyquist frequency.
BANDS = ((8, 12), (12, 16), (16, 20), (20, 24), (24, 27), (27, 30), (30, 33))
# Multinomial logistic regression: of each reduction but the first, a constant and a weight for the log power in each band,
# along axes and diagonals in turn (without the first along axes). Fitted to 51 photographs that were reduced 2, 3 and 4 times,
# by each of them, and by Lanczos and a Gaussian of 0.45, which count as bicubic, and one of 0.3, which counts as
# a box.
WEIGHTS = (
    (4.939, -0.983, -2.829, -1.018, -1.107, -1.071, 0.515, 0.607, -3.433, -1.529, 1.94, 0.927, 2.693, 1.556),
    (-24.26, -2.038, 2.685, 1.285, 1.211, 1.301, -0.587, -1.621, 0.024, -0.468, -2.021, -0.668, -1.15, -0.917),
    (-50.63, -3.492, 6.024, 2.438, 2.049, 0.616, -1.623, -3.159, 0.241, -2.358, -3.154, -0.245, -3.988, 0.763),
)


def estimate_reduction(pixels: Tensor) -> str:
    """By which kernel of `restore.operators.Downsample` a small picture was most likely made.

    Spectra of photographs fall evenly, so how theirs falls towards the highest frequencies is the reduction's: means of blocks
    leave aliases there, a Gaussian leaves little. A linear classifier of the logarithm of the power in bands, along axes and
    diagonals. Noise and JPEG fill these frequencies up, so it holds for clean pictures alone.

    Args:
        pixels: (1, C, H, W) in [-1, 1], the small picture.

    Returns: "bicubic", "box", "gaussian:0.6" or "gaussian:0.8"; bicubic also for a Lanczos kernel, which differs little, where
        the evidence is weak, as for most boxes, and for pictures with a side below 96.
    """
    luma = pixels.mean(dim=1, keepdim=True).double()
    if min(luma.shape[-2:]) < LEAST:
        return REDUCTIONS[0]
    spectrum = _spectrum(luma)
    spectrum = (spectrum + spectrum.T) / 2
    power = (spectrum + 1e-7).log()
    along, across = power[1:5].mean(dim=0), power.diagonal()
    values = torch.stack([profile[low:high].mean() for low, high in BANDS for profile in (along, across)])
    values = values - values[:2].mean()
    evidence = torch.tensor(WEIGHTS, dtype=torch.float64) @ torch.cat([torch.ones(1, dtype=torch.float64), values[1:]])
    probability = torch.cat([torch.zeros(1, dtype=torch.float64), evidence]).softmax(dim=0)
    best = int(probability.argmax())
    return REDUCTIONS[best if float(probability[best]) > SURE[best] else 0]


def _spectrum(luma: Tensor) -> Tensor:
    """The mean power spectrum (33, 33) of windows of luma (1, 1, H, W), by the distance of frequencies from 0."""
    window = torch.hann_window(WINDOW, periodic=True, dtype=torch.float64)
    parts = luma.unfold(2, WINDOW, WINDOW // 2).unfold(3, WINDOW, WINDOW // 2)[0, 0].flatten(0, 1)
    parts = parts[:: max(1, len(parts) // WINDOWS)]
    parts = (parts - parts.mean(dim=(1, 2), keepdim=True)) * window[:, None] * window
    half = WINDOW // 2 + 1
    return torch.fft.fft2(parts).abs().square().mean(dim=0)[:half, :half]
