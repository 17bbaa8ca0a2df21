"""What the numbers of a picture mean: its colour space, and the way to sRGB, which priors are trained in.

Profiles of displays and cameras are a matrix and tone curves (ICC.1:2022, section 8.3; tags 9.2, types 10.6, 10.18, 10.31).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]

_POINTS = 4097  # Of a tone curve. The same broken line is used both ways, so that samples come back exactly.
# Linear sRGB to XYZ under D50, the white of profiles (IEC 61966-2-1, adapted by Bradford's matrix).
_SRGB = np.array([[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]])
_PARAMETERS = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}  # Number of parameters of each parametric curve.
FOREIGN = 6.0
"""Grey levels (root mean square over a picture) by which numbers must differ from those in sRGB for it to be converted."""


@dataclass(frozen=True, eq=False)
class ColourSpace:
    """A colour space of one or three channels.

    Attributes:
        curves: (C, _POINTS), the light of each channel at equally spaced samples from 0 to 1, increasing.
        matrix: (C, C), from light of the channels to linear sRGB.
    """

    curves: Floats
    matrix: Floats

    def to_srgb(self, pixels: Tensor) -> Tensor:
        """Pixels (1, C, H, W) in [-1, 1] as sRGB; colours outside its gamut leave the range."""
        samples = np.linspace(0, 1, _POINTS)
        planes = (pixels[0].double().numpy() + 1) / 2
        light = np.stack([np.interp(plane, samples, curve) for plane, curve in zip(planes, self.curves, strict=True)])
        encoded = _encode(np.einsum("ij,jhw->ihw", self.matrix, light))
        return torch.from_numpy((encoded * 2 - 1).astype(np.float32))[None]

    def from_srgb(self, pixels: Tensor) -> Tensor:
        """The inverse of `to_srgb`, clipped to [-1, 1]."""
        samples = np.linspace(0, 1, _POINTS)
        light = np.einsum("ij,jhw->ihw", np.linalg.inv(self.matrix), _decode((pixels[0].double().numpy() + 1) / 2))
        planes = np.stack([np.interp(plane, curve, samples) for plane, curve in zip(light, self.curves, strict=True)])
        return torch.from_numpy((planes * 2 - 1).astype(np.float32))[None]


def space_of_profile(icc: bytes | None, channels: int) -> ColourSpace | None:
    """The space of an ICC profile; None without one, for tables (of printers), and for a profile of other channels."""
    try:
        tags = _tags(icc or b"")
        names = ["kTRC"] if channels == 1 else ["rTRC", "gTRC", "bTRC"]
        curves = np.stack([_curve(tags[name]) for name in names])
        matrix = np.eye(1)
        if channels == 3:
            columns = [struct.unpack(">3i", tags[name][8:20]) for name in ("rXYZ", "gXYZ", "bXYZ")]
            matrix = np.linalg.inv(_SRGB) @ (np.array(columns, np.float64).T / 65536)
            np.linalg.inv(matrix)
    except (KeyError, IndexError, ValueError, struct.error, np.linalg.LinAlgError):
        return None
    usable = np.isfinite(curves).all() and (np.diff(curves) > 0).all() and curves.min() > -0.1 and curves.max() < 1.1
    return ColourSpace(curves, matrix) if usable and np.isfinite(matrix).all() else None


def space_of_gamma(gamma: float, channels: int) -> ColourSpace | None:
    """The space of a PNG's chunk gAMA (samples are light to this power), with sRGB's primaries; None for odd values."""
    if not 0.1 <= gamma <= 10:
        return None
    curve = np.linspace(0, 1, _POINTS) ** (1 / gamma)
    return ColourSpace(np.stack([curve] * channels), np.eye(channels))


def _tags(icc: bytes) -> dict[str, bytes]:
    """The tags of a profile by their signature."""
    (count,) = struct.unpack(">I", icc[128:132])
    found = {}
    for index in range(min(count, 100)):
        name, offset, size = struct.unpack(">4sII", icc[132 + 12 * index : 144 + 12 * index])
        found[name.decode("latin-1")] = icc[offset : offset + size]
    return found


def _curve(tag: bytes) -> Floats:
    """A tone curve (_POINTS,)."""
    x = np.linspace(0, 1, _POINTS)
    if tag[:4] == b"curv":
        (count,) = struct.unpack(">I", tag[8:12])
        if count == 0:
            return x
        if count == 1:
            return np.asarray(x ** (struct.unpack(">H", tag[12:14])[0] / 256))
        table = np.frombuffer(tag[12 : 12 + 2 * count], ">u2").astype(np.float64) / 65535
        smooth = np.interp(x, np.linspace(0, 1, count), table)
        return smooth + x * 1e-9  # Flat parts, as 8-bit tables have at black, have no inverse.
    if tag[:4] != b"para":
        raise ValueError("no curve")
    (kind,) = struct.unpack(">H", tag[8:10])
    found = struct.unpack(f">{_PARAMETERS[kind]}i", tag[12 : 12 + 4 * _PARAMETERS[kind]])
    g, a, b, c, d, e, f = [*(value / 65536 for value in found), *[0.0] * 7][:7]
    with np.errstate(invalid="ignore", divide="ignore"):
        if kind == 0:
            return np.asarray(x**g)
        power = np.maximum(a * x + b, 0) ** g
        if kind == 1:
            return np.where(x >= -b / a, power, 0) + x * 1e-9
        if kind == 2:
            return np.where(x >= -b / a, power + c, c) + x * 1e-9
        return np.where(x >= d, power + (e if kind == 4 else 0), c * x + (f if kind == 4 else 0))


def _encode(light: Floats) -> Floats:
    """sRGB's curve, continued to negative light by its mirror image."""
    size = np.abs(light)
    return np.asarray(np.sign(light) * np.where(size <= 0.0031308, 12.92 * size, 1.055 * size ** (1 / 2.4) - 0.055))


def _decode(samples: Any) -> Floats:
    size = np.abs(samples)
    return np.asarray(np.sign(samples) * np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4))
