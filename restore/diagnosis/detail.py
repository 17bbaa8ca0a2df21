"""How fine the detail of a picture is: where its spectrum ends, how blurred it is, whether it was enlarged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SIDE = 64  # Pixels of the windows whose spectrum is averaged.
SLOPE, SLOPES = 2.4, 0.3  # Power falls with this power of the frequency in sharp photographs; and its standard deviation.
ERROR = 0.15  # Nepers by which a spectrum departs from that law.
LOW = 6  # Frequencies that fix the level.
ROUNDING = 1 / 12  # Variance in squared grey levels.
LEAST_POWER = 1e-6  # Squared grey levels: flat pictures have none, and logarithms need some.
ENDS = 3.0  # Nepers by which power falls short of a photograph's where its spectrum has ended.
SHORTEST = 130  # Pixels; sides below this say nothing of interpolation.
LEAST_FACTOR = 1.3  # Lines of smaller factors are too often those of patterns in the picture.
PEAK = 6.0  # Times its surroundings that a line in the spectrum of interpolation errors must reach.


@dataclass(frozen=True)
class Detail:
    """The detail of a picture.

    Attributes:
        blur: standard deviation in pixels of the Gaussian that the picture is as soft as; 0 for sharp ones.
        end: the frequency where its spectrum ends, as a share of the highest that its size can hold, up to 1.
        enlarged: how many times it was enlarged, where interpolation shows; else None.
    """

    blur: float
    end: float
    enlarged: float | None


def measure_detail(gray: Floats, noise: Floats | float = 0.0) -> Detail:
    """Measure the detail of a picture.

    The mean power spectrum of a sharp photograph falls as a power of the frequency; a Gaussian blur takes off another
    (2 pi sigma f)^2 nepers; both are fitted by least squares to the logarithm of the spectrum, with the noise added.
    Interpolation makes the variance of differences periodic, with the period of the enlargement (Gallagher 2005, "Detection of
    linear and cubic interpolation in JPEG compressed images", CRV), which shows as a line in its spectrum.

    Args:
        gray: (H, W) in grey levels.
        noise: variance of the noise by frequency, (SIDE // 2 + 1,) along an axis, in squared grey levels; or one number.
    """
    frequency = np.arange(1, SIDE // 2 + 1) / SIDE
    power = np.maximum(_axis_spectrum(gray)[1:], LEAST_POWER)
    floor = np.broadcast_to(np.asarray(noise, np.float64), (SIDE // 2 + 1,))[1:] + ROUNDING
    excess = np.maximum(power - floor, 0.05 * power)
    blur = _blur(frequency, power, floor, excess)
    flat = np.log(excess) + SLOPE * np.log(frequency)
    ended = np.flatnonzero((flat[:LOW].mean() - flat > ENDS) & (power > 1.3 * floor))
    end = float(2 * frequency[ended[0]]) if len(ended) else 1.0
    return Detail(blur, end, _enlarged(gray, blur) if blur > 0.5 else None)


def _blur(frequency: Floats, power: Floats, floor: Floats, excess: Floats) -> float:
    """The standard deviation of the Gaussian that fits a spectrum best, with noise of a known spectrum `floor`."""
    best, found = math.inf, 0.0
    for blur in np.arange(0, 4, 0.05):
        for slope in np.arange(SLOPE - 2 * SLOPES, SLOPE + 2.01 * SLOPES, SLOPES / 2):
            shape = -slope * np.log(frequency) - (2 * math.pi * blur * frequency) ** 2
            level = (np.log(excess) - shape)[:LOW].mean()
            away = np.log(power) - np.log(np.exp(level + shape) + floor)
            cost = float(np.square(away / ERROR).mean() * 6 + ((slope - SLOPE) / SLOPES) ** 2)
            if cost < best:
                best, found = cost, float(blur)
    return found


def _axis_spectrum(gray: Floats) -> Floats:
    """The mean power along rows and columns of windows, by frequency: (SIDE // 2 + 1,); of white noise, its variance."""
    taper = np.hanning(SIDE + 2)[1:-1]
    taper /= np.sqrt(np.square(taper).mean())
    found = []
    for plane in (gray, gray.T):
        width = plane.shape[1]
        if width < SIDE:
            continue
        # Rows at random places of a picture are alike; a few thousand say enough.
        rows = plane[:: max(1, plane.shape[0] // 256)]
        windows = np.stack([rows[:, at : at + SIDE] for at in range(0, width - SIDE + 1, SIDE // 2)], axis=1).reshape(-1, SIDE)
        windows = windows - windows.mean(axis=1, keepdims=True)
        found.append((np.abs(np.fft.rfft(windows * taper, axis=1)) ** 2).mean(axis=0) / SIDE)
    return np.mean(found, axis=0) if found else np.full(SIDE // 2 + 1, ROUNDING)


def _enlarged(gray: Floats, blur: float) -> float | None:
    """How many times a picture was enlarged, from the period of its differences; None if they have none."""
    at = np.linspace(0, 0.5, 1025)
    if min(gray.shape) < SHORTEST:
        return None
    power = np.minimum(_lines(gray, at), _lines(gray.T, at))  # Both axes have the line.
    usable = at > 0.125  # Factors up to 8.
    for k in range(1, 5):  # The grid of a JPEG.
        usable &= np.abs(at - k / 8) > 0.004
    peak = int(np.argmax(np.where(usable, power, 0)))
    grid = {k: float(power[np.abs(at - k / 8) <= 0.004].max()) for k in range(1, 5)}
    if power[peak] > PEAK**2:
        frequency = float(at[peak])
    # Factors of 2 and 4 lie on that grid; they count where the other lines of it are missing.
    elif grid[4] > PEAK**2 and grid[4] > 4 * max(grid[1], grid[3]):
        frequency = 0.25 if grid[2] > PEAK**2 and blur > 1.05 else 0.5
    elif grid[2] > PEAK**2 and grid[2] > 4 * max(grid[1], grid[3]):
        frequency = 0.25
    else:
        return None
    # A line at f is that of 1 / f, or, aliased, of 1 / (1 - f): interpolation by s blurs by about s / 2.
    factor = float(min(1 / frequency, 1 / (1 - frequency), key=lambda factor: abs(factor / 2.1 - blur)))
    return factor if factor >= LEAST_FACTOR else None


def _lines(plane: Floats, at: Floats) -> Floats:
    """The spectrum of how large first and second differences along rows are, relative to its median."""
    found = []
    for order in (1, 2):
        # Means of logarithms, so that a few strong edges do not decide.
        size = np.log(np.abs(np.diff(plane, order, axis=1)) + 0.25).mean(axis=0)
        size = size - np.convolve(np.pad(size, 8, mode="edge"), np.ones(17) / 17, mode="valid")
        size = size[: len(size) // 2 * 2]
        power = np.abs(np.fft.rfft(size * np.hanning(len(size)))) ** 2
        found.append(np.interp(at, np.linspace(0, 0.5, len(power)), power / np.median(power)))
    return np.asarray(np.maximum(*found))
