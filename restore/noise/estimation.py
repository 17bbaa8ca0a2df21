"""The noise of a picture, from the picture alone."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from restore import bundled
from restore.noise.model import NoiseModel
from restore.noise.network import AXES, BANDS, BORDERS, STRIDE, WINDOW, NoiseEstimator, band_of
from restore.operators.fill import pull_push

WEIGHTS = Path(__file__).with_name("estimator.safetensors")
PART, PARTS = 512, 3  # Side in pixels of the parts of large pictures that are looked at, and how many each way.
LAGS = 8  # Pixels, the longest correlation.
KNOTS = 6  # Brightness levels at which the deviation is given, at most.
LEAST_APART = 0.02  # Of two such levels.
FEW = 8  # Windows that do not say what noise is at a level.
ENOUGH = 30  # Windows of known pixels that tell what the noise is.
CLEAN = 0.5 / 127.5  # A deviation below this is taken for none: rounding alone leaves 0.29 grey levels.


def estimate_noise(pixels: Tensor, known: Tensor | None = None) -> NoiseModel | None:
    """The noise of a picture: its standard deviation by brightness, and the correlation of neighbours and channels.

    A small network, trained on damaged photographs to give the likelihood of what was added to them, predicts the variance of
    the noise in six bands of frequency at every place (restore/training/noise_estimator.py); what a JPEG added counts as noise.
    Noise has one law all over a picture and texture does not, so its predictions are pooled over the picture.

    Args:
        pixels: (1, 1 or 3, H, W) in [-1, 1].
        known: bool (1, 1, H, W), false at pixels that are no part of the picture; windows with such pixels are left out.

    Returns: the model; None for a picture without noise, with a side below 16, or with fewer than 30 windows of known pixels.

    Raises: PriorError if the network's weights are damaged.
    """
    channels = pixels.shape[1]
    if min(pixels.shape[-2:]) < WINDOW:
        return None
    if known is not None and not bool(known.all()):
        pixels = pull_push(pixels * known, known.to(pixels).expand_as(pixels))
    variances, brightness, whole = _predictions(pixels, known)
    if known is not None and int(whole.sum()) < ENOUGH:
        return None
    return model_of(variances[..., whole], brightness[..., whole], channels)


def model_of(variances: Tensor, brightness: Tensor, channels: int) -> NoiseModel | None:
    """The model that variances of noise (AXES, BANDS, N) in N windows of a brightness (3, N) come to."""
    axes = variances if channels == 3 else variances[:3].mean(dim=0, keepdim=True)
    weights = torch.bincount(band_of().flatten(), minlength=BANDS).double() / WINDOW**2
    per_channel = torch.einsum("abn,b->an", axes[:channels], weights)  # (C, N)
    if math.sqrt(float(per_channel.mean())) < CLEAN:
        return None
    levels, deviation = _curve(brightness[:channels], per_channel)
    components = axes[3:] if channels == 3 else axes
    bands = components.sum(dim=2) / per_channel.mean(dim=0).sum()
    correlation = torch.stack([_correlation(one) for one in bands])
    middle = correlation[:, LAGS, LAGS].mean()
    return NoiseModel(levels.float(), deviation.float(), (correlation / middle).float())


@lru_cache(maxsize=1)
def _network() -> NoiseEstimator:
    from safetensors.torch import load_file

    bundled.check(WEIGHTS)
    network = NoiseEstimator()
    network.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS).items()})
    return network.eval()


@torch.no_grad()
def _predictions(pixels: Tensor, known: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Variances (AXES, BANDS, N), the brightness of each channel (3, N) and whether all is known (N,) in N windows."""
    variances, brightness, whole = [], [], []
    colour = pixels.float().cpu().expand(1, 3, *pixels.shape[-2:])
    weight = torch.ones_like(colour[:, :1]) if known is None else known.float().cpu()
    for part, part_known in zip(_parts(colour), _parts(weight), strict=True):
        whole.append(F.avg_pool2d(part_known, WINDOW, STRIDE).flatten() > 1 - 1e-6)
        variances.append(_network()(part).exp().double().reshape(AXES, BANDS, -1))
        brightness.append(F.avg_pool2d(part, WINDOW, STRIDE).double().reshape(3, -1))
    return torch.cat(variances, dim=2), torch.cat(brightness, dim=1), torch.cat(whole)


def _parts(pixels: Tensor) -> list[Tensor]:
    """Parts spread over a large picture, or all of a small one, with sides that are multiples of 8."""
    sides = [min(PART, side // STRIDE * STRIDE) for side in pixels.shape[-2:]]
    counts = [
        1 if whole < 2 * side else min(PARTS, whole // side) for whole, side in zip(pixels.shape[-2:], sides, strict=True)
    ]
    corners = [
        [round((index + 0.5) / count * whole - side / 2) for index in range(count)]
        for whole, side, count in zip(pixels.shape[-2:], sides, counts, strict=True)
    ]
    return [
        pixels[..., max(0, top) : max(0, top) + sides[0], max(0, left) : max(0, left) + sides[1]]
        for top in corners[0]
        for left in corners[1]
    ]


def _curve(brightness: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Levels (K,) and the standard deviation (C, K) there, from brightness and variance (C, N) of windows."""
    ranked = brightness.flatten().sort().values
    borders = [float(ranked[index * (len(ranked) - 1) // KNOTS]) for index in range(KNOTS + 1)]
    levels: list[float] = []
    deviation: list[Tensor] = []
    overall = variance.mean(dim=1)
    for low, high in pairwise(borders):
        inside = (brightness >= low) & (brightness <= high)
        level = float(brightness[inside].mean())
        if levels and level - levels[-1] < LEAST_APART:
            continue
        levels.append(level)
        # A channel with few windows of this brightness takes what those of all channels say, at its own level.
        shared = variance[inside].mean() * overall / overall.mean()
        own = [
            one[here].mean() if int(here.sum()) >= FEW else shared[index]
            for index, (one, here) in enumerate(zip(variance, inside, strict=True))
        ]
        deviation.append(torch.stack(own).sqrt())
    return torch.tensor(levels), torch.stack(deviation, dim=1)


def _correlation(bands: Tensor) -> Tensor:
    """The covariance (2 LAGS + 1, 2 LAGS + 1) by offset of noise with these variances (BANDS,) by band of frequency."""
    side = 4 * LAGS
    index = torch.arange(side, dtype=torch.float64)
    half_waves = torch.minimum(index, side - index) * 2 * WINDOW / side  # In a window, as the borders of the bands count them.
    radius = (half_waves[:, None] ** 2 + half_waves**2).sqrt()
    borders = torch.tensor([0.0, *BORDERS, 1.3 * WINDOW], dtype=torch.float64)
    centres = (borders[:-1] + borders[1:]) / 2
    spectrum = _interpolated(radius, centres, bands.log()).exp()
    covariance = torch.fft.ifft2(spectrum).real.roll((LAGS, LAGS), dims=(0, 1))[: 2 * LAGS + 1, : 2 * LAGS + 1]
    fall = torch.hann_window(2 * LAGS + 3, periodic=False, dtype=torch.float64)[1:-1]
    return covariance * fall[:, None] * fall


def _interpolated(x: Tensor, at: Tensor, values: Tensor) -> Tensor:
    """Values given at rising points, linear in between and constant beyond."""
    x = x.clamp(at[0], at[-1])
    upper = torch.searchsorted(at, x.contiguous()).clamp(1, len(at) - 1)
    return values[upper - 1].lerp(values[upper], (x - at[upper - 1]) / (at[upper] - at[upper - 1]))
