"""How a picture was blurred or made small, from its pixels alone."""

from __future__ import annotations

import cv2
import numpy as np
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
SMOOTH, AGAIN = 0.8, 1.0  # Deviations in pixels: before gradients are taken, and of the second blur.
PIXEL = 1 / 12  # Variance of the mean over a pixel.
STRONGEST, SHARPEST = 0.02, 0.5  # Shares: of pixels that count as edges, and of edges that are sharper than the answer.
SMALLEST = 24  # Pixels; the least side of a picture that says anything of its blur.


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


def estimate_blur_width(pixels: Tensor) -> float:
    """The standard deviation in pixels of the Gaussian that comes closest to a picture's blur.

    The picture is blurred once more by a known Gaussian. Across a step, blurred by sigma, gradients fall by a ratio R with
    R^2 = (sigma^2 + s1^2) / (sigma^2 + s0^2), which gives sigma (Zhuo & Sim 2011, "Defocus map estimation from a single image",
    Pattern Recognition 44, eq. 8). The answer is the median over the strongest edges. Fine lines are no steps and look sharper
    than they are. Noise does, too: from about a twentieth of the contrast on the answer is too small, above all for wide blur.

    Args:
        pixels: (1, C, H, W) in [-1, 1].

    Returns: the width; 0 for sharp pictures, for pictures without edges, and with a side below 24.
    """
    luma = pixels.mean(dim=1)[0].float().cpu().numpy()
    if min(luma.shape) < SMALLEST:
        return 0.0
    once, steep = _gradient(cv2.GaussianBlur(luma, (0, 0), SMOOTH))
    twice, _ = _gradient(cv2.GaussianBlur(luma, (0, 0), float(np.hypot(SMOOTH, AGAIN))))
    # Crests of the gradient along its direction, away from the border.
    across = (once >= np.roll(once, 1, 1)) & (once >= np.roll(once, -1, 1))
    down = (once >= np.roll(once, 1, 0)) & (once >= np.roll(once, -1, 0))
    crest = np.where(steep, down, across)
    inside = (slice(6, -6), slice(6, -6))
    once, twice, crest = once[inside], twice[inside], crest[inside]
    edges = crest & (once >= np.quantile(once, 1 - STRONGEST)) & (once > 1e-3)
    if not edges.any():
        return 0.0
    ratio = (once[edges] / np.maximum(twice[edges], 1e-6)) ** 2
    variance = AGAIN**2 / np.maximum(ratio - 1, 1e-3) - SMOOTH**2 - PIXEL
    return float(np.sqrt(max(0.0, float(np.quantile(variance, SHARPEST)))))


def _gradient(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradient's magnitude, and where it is steeper along columns than along rows."""
    down, right = np.gradient(values)
    return np.hypot(down, right), np.abs(down) > np.abs(right)
