"""The noise of a blurred picture whose kernel is known: what the kernel cannot have let through is noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from restore.noise.model import NoiseModel
from restore.noise.quiet import quiet_share

if TYPE_CHECKING:
    from restore.images.picture import Picture

STOPPED = 1e-4  # Power that the kernel lets through at most, at frequencies where only noise is left.
NARROW, WIDE = 0.05, 0.5  # Shares of such frequencies from which they say something, and from which no detail is left anywhere.
ROUNDED = 0.45 / 127.5  # Deviation at these frequencies that rounding to 8 bits explains (0.29 grey levels), and some more.
COMPRESSED = 3.0  # Error of a JPEG over what it leaves there: it drops these frequencies first.
STEADY = 2 / 127.5  # Deviation assumed at least where so much is stopped: with less, plug-and-play drifts away.
MISSED = 1.5  # Noise in quiet places over the estimate, from which on the estimate has missed it.
FAINT = 1.5 / 127.5  # Levels below are of rounding and of a little compression, whatever their spectrum.
WHITE, COARSE = (
    1.2,
    2.0,
)  # Level over that at stopped frequencies: up to the first noise is white, from the second on it is not.
CAUTION = 5.0  # Times the level of coarse noise: what is left of it would become blotches.
GRAIN = 1.0  # Deviation in pixels of the Gaussian that film grain is taken for in quiet places.


def noise_with_kernel(picture: Picture, kernel: Tensor, level: float) -> float:
    """The deviation of the white noise to assume for a blurred picture, given that which was measured in its pixels.

    Deconvolution multiplies noise that is not told. Estimates from pixels alone take coarse noise on a blurred picture for its
    detail, and know little of the error of a JPEG. With the kernel two places hold noise alone:

    - frequencies that it stops. White noise has its own level there, a JPEG's error a third or less of its own;
    - quiet places (`quiet_share`), if the kernel stops half of all frequencies, as detail is then left nowhere. Noise that was
      missed there is taken for film grain. Some noise is assumed in any case then.

    Noise with less at stopped frequencies than elsewhere has more where the picture is: white noise up to CAUTION times as
    strong is assumed in its place.

    Args:
        kernel: (h, w), sums to 1.
        level: in [-1, 1] units.
    """
    pixels = picture.pixels
    share, stopped = _at_stopped(pixels, kernel)
    if share < NARROW:
        return level
    if share >= WIDE:
        white = quiet_share(pixels, NoiseModel.white(1.0, pixels.shape[1]))
        if math.isfinite(white) and white > MISSED * max(level, 1 / 127.5):
            law = grain(pixels.shape[1])
            level = law.scaled(quiet_share(pixels, law)).root_mean_square(pixels)
    if stopped > ROUNDED:
        level = max(level, stopped if level > FAINT else COMPRESSED * stopped)
    if level > FAINT:
        ratio = level / max(stopped, ROUNDED)
        level *= 1 + (CAUTION - 1) * min(1.0, max(0.0, (ratio - WHITE) / (COARSE - WHITE)))
    return max(level, STEADY) if share >= WIDE else level


def grain(channels: int) -> NoiseModel:
    """The law of film grain: the same in all channels, of any brightness, white noise blurred by a Gaussian. Its level is 1."""
    place = torch.arange(-4, 5, dtype=torch.float32)
    profile = torch.exp(-(place**2) / (4 * GRAIN**2))
    luma = (profile[:, None] * profile)[None]
    correlation = luma if channels == 1 else torch.cat([3 * luma, torch.zeros_like(luma), torch.zeros_like(luma)])
    return NoiseModel(torch.zeros(1), torch.ones(channels, 1), correlation)


def _at_stopped(pixels: Tensor, kernel: Tensor) -> tuple[float, float]:
    """The share of frequencies that a kernel stops, and the deviation of a picture (1, C, H, W) there, as of white noise."""
    size = (pixels.shape[-2], pixels.shape[-1])
    padded = torch.zeros(size, dtype=torch.float64)
    padded[: kernel.shape[0], : kernel.shape[1]] = kernel.double()
    stops = torch.fft.rfft2(padded).abs().square() < STOPPED
    share = float(stops.double().mean())
    if share < NARROW:
        return share, 0.0
    # A window, as the border is an edge and has all frequencies.
    rows, columns = (torch.hann_window(side, periodic=False, dtype=torch.float64) for side in size)
    window = rows[:, None] * columns
    values = pixels[0].double()
    values = (values - values.mean(dim=(1, 2), keepdim=True)) * window
    power = torch.fft.rfft2(values).abs().square() / window.square().sum()
    # The median of an exponential law is ln 2 of its mean; some frequencies hold leaks of the picture.
    return share, math.sqrt(float(power[:, stops].median(dim=1).values.mean()) / math.log(2))
