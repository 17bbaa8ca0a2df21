"""Dead leaves: pictures of overlapping shapes, the cheapest pictures with the statistics of photographs.

Shapes of random size hide one another; with radii drawn from a r^-3 law the result is scale invariant and has the
occlusion edges and flat areas of natural pictures (Lee, Mumford and Huang 2001; Achddou et al. 2021 train denoisers on them).
Colours come from real photographs, some shapes carry a gradient or a texture, a few pictures carry lines and lettering.
"""

from __future__ import annotations

import string

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def dead_leaves(rng: Generator, palette: Picture, size: int = 192) -> Picture:
    """One picture (size, size, 3) uint8 RGB.

    Args:
        rng: source of randomness.
        palette: (N, 3) uint8 colours to draw from.
        size: side in pixels; drawn at twice that and averaged down, so that edges are antialiased.
    """
    side = 2 * size
    canvas = np.zeros((side, side, 3), np.uint8)
    canvas[:] = palette[rng.integers(len(palette))]
    smallest, largest = float(np.exp(rng.uniform(np.log(6), np.log(40)))), side / 2.0
    count = int(np.clip(rng.uniform(1, 4) * side**2 / (4 * smallest**2), 40, 600))
    # Inverse transform of p(r) ~ r^-3 between the two radii.
    uniform = rng.random(count)
    radii = (smallest**-2 - uniform * (smallest**-2 - largest**-2)) ** -0.5
    # The largest lie below, so that the small ones are seen: an ordering the sequential model reaches only slowly.
    radii = np.sort(radii * rng.uniform(0.7, 1.4, count))[::-1] if rng.random() < 0.5 else radii
    for radius in radii:
        _leaf(canvas, rng, palette, radius)
    if rng.random() < 0.2:
        _strokes(canvas, rng, palette)
    small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.3:
        small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.4, 1.2))
    return np.asarray(small, np.uint8)


def _leaf(canvas: Picture, rng: Generator, palette: Picture, radius: float) -> None:
    side = canvas.shape[0]
    centre = rng.integers(0, side, 2)
    kind = rng.random()
    if kind < 0.5:
        axes = (max(1, int(radius)), max(1, int(radius * rng.uniform(0.3, 1))))
        points = np.asarray(cv2.ellipse2Poly([int(v) for v in centre], axes, int(rng.integers(360)), 0, 360, 15), np.int32)
    else:
        corners = int(rng.integers(3, 8))
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        points = (centre + radius * np.stack([np.cos(angles), np.sin(angles)], 1)).astype(np.int32)
    colour = palette[rng.integers(len(palette))].astype(np.float32)
    if radius < 12 or rng.random() < 0.5:
        cv2.fillPoly(canvas, [points], [int(v) for v in colour], lineType=cv2.LINE_AA)
        return
    low = np.clip(points.min(0), 0, side - 1)
    high = np.clip(points.max(0) + 1, 1, side)
    width, height = (int(v) for v in high - low)
    if width < 2 or height < 2:
        return
    patch = _textured(rng, palette, colour, height, width)
    inside = np.zeros((height, width), np.uint8)
    cv2.fillPoly(inside, [(points - low).astype(np.int32)], 255, lineType=cv2.LINE_AA)
    region = canvas[low[1] : high[1], low[0] : high[0]]
    weight = inside[..., None].astype(np.float32) / 255
    region[:] = np.clip(weight * patch + (1 - weight) * region, 0, 255).astype(np.uint8)


def _textured(rng: Generator, palette: Picture, colour: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """A gradient between two colours, stripes, or smoothed noise over one."""
    kind = rng.random()
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    across = rows * np.sin(angle) + columns * np.cos(angle)
    other = palette[rng.integers(len(palette))].astype(np.float32)
    if kind < 0.4:
        share = (across - across.min()) / max(float(np.ptp(across)), 1.0)
    elif kind < 0.65:
        share = 0.5 + 0.5 * np.sin(across * 2 * np.pi / rng.uniform(6, 40))
        other = colour + rng.uniform(0.1, 1) * (other - colour)
    else:
        grain = rng.standard_normal((height, width)).astype(np.float32)
        grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), rng.uniform(1, 6)), np.float32)
        share = np.clip(0.5 + 0.2 * grain / max(float(grain.std()), 1e-6), 0, 1)
        other = colour + rng.uniform(0.1, 0.7) * (other - colour)
    return colour + share[..., None].astype(np.float32) * (other - colour)


def _strokes(canvas: Picture, rng: Generator, palette: Picture) -> None:
    """Lines and lettering, which photographs have few of and people restore often."""
    side = canvas.shape[0]
    for _ in range(int(rng.integers(2, 10))):
        colour = [int(v) for v in palette[rng.integers(len(palette))]]
        thickness = int(rng.integers(1, 8))
        start = [int(v) for v in rng.integers(0, side, 2)]
        if rng.random() < 0.5:
            cv2.line(canvas, start, [int(v) for v in rng.integers(0, side, 2)], colour, thickness, cv2.LINE_AA)
        else:
            word = "".join(rng.choice(list(string.ascii_letters + string.digits), int(rng.integers(2, 9))))
            font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX]))
            cv2.putText(canvas, word, start, font, float(rng.uniform(0.6, 3)), colour, thickness, cv2.LINE_AA)
