"""Procedurally generated training pictures: dead leaves, textures, skies, print and line drawings.

The dead leaves model overlays random shapes. With radii from a density r^-3 the pictures are scale invariant and have occlusion
edges and flat areas like natural ones (Lee, Mumford and Huang 2001); Achddou et al. 2021 train denoisers on them. The other
kinds supply what a small set of photographs lacks: power-law textures, noise-free gradients, small print and thin curves.
Colours come from photographs.
"""

from __future__ import annotations

import string

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Plane = NDArray[np.float32]
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX)
SHARES = (0.6, 0.15, 0.1, 0.075, 0.075)  # Probability of each kind, in the order in `random_picture`.
CHARACTERS = list(string.ascii_letters + string.digits)


def random_picture(rng: Generator, palette: Picture, size: int = 192) -> Picture:
    """One picture of a random kind; arguments and result as for `dead_leaves`."""
    kinds = (dead_leaves, texture, sky, page, drawing)
    return kinds[int(rng.choice(len(kinds), p=SHARES))](rng, palette, size)


def dead_leaves(rng: Generator, palette: Picture, size: int = 192) -> Picture:
    """A dead leaves picture, (size, size, 3) uint8 RGB.

    Args:
        rng: source of randomness.
        palette: (N, 3) uint8, the colours to choose from.
        size: side in pixels; rendered at twice that and averaged down, so that edges are antialiased.
    """
    side = 2 * size
    canvas = np.zeros((side, side, 3), np.uint8)
    canvas[:] = palette[rng.integers(len(palette))]
    smallest, largest = float(np.exp(rng.uniform(np.log(6), np.log(40)))), side / 2.0
    count = int(np.clip(rng.uniform(1, 4) * side**2 / (4 * smallest**2), 40, 600))
    # Inverse transform sampling of p(r) ~ r^-3 between the two radii.
    uniform = rng.random(count)
    radii = (smallest**-2 - uniform * (smallest**-2 - largest**-2)) ** -0.5
    # Largest first, so that large shapes do not cover the small ones; the sequential model needs many more shapes for that.
    radii = np.sort(radii * rng.uniform(0.7, 1.4, count))[::-1] if rng.random() < 0.5 else radii
    for radius in radii:
        _leaf(canvas, rng, palette, radius)
    if rng.random() < 0.2:
        _strokes(canvas, rng, palette)
    small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.3:
        small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.4, 1.2))
    return np.asarray(small, np.uint8)


def texture(rng: Generator, palette: Picture, size: int = 192) -> Picture:
    """A random field with a power-law spectrum, often anisotropic, mapped to a colour scale: like clouds, stone or grass."""
    return _coloured(_field(rng, size, size, rng.uniform(0.8, 2), rng.choice([1, 1, rng.uniform(2, 10)])), rng, palette, 0.25)


def sky(rng: Generator, palette: Picture, size: int = 192) -> Picture:
    """A smooth gradient over the whole picture, sometimes with soft clouds; without noise."""
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32) / size
    angle = rng.normal(0, 0.7)
    height = rows * np.cos(angle) + columns * np.sin(angle) + rng.uniform(0, 0.15) * _field(rng, size, size, 3.0)
    picture = _coloured(height, rng, palette, 0.6).astype(np.float32)
    if rng.random() < 0.5:
        cloud = 1 / (1 + np.exp(-rng.uniform(1.5, 5) * (_field(rng, size, size, rng.uniform(1.7, 2.5)) - rng.uniform(0, 1.5))))
        picture += cloud[..., None] * rng.uniform(0.2, 0.9) * (palette.max(axis=0) - picture)
    return np.asarray(picture.round().clip(0, 255), np.uint8)


def page(rng: Generator, palette: Picture, size: int = 192) -> Picture:
    """Lines of print, small and large, dark on light or light on dark."""
    side = 2 * size
    canvas, ink = _sheet(rng, palette, side)
    top = 0
    while top < side:
        font, scale = int(rng.choice(FONTS)), float(np.exp(rng.uniform(np.log(0.6), np.log(2.2))))
        thickness = int(rng.integers(1, 4))
        for _ in range(int(rng.integers(1, 6))):
            words = ["".join(rng.choice(CHARACTERS, int(rng.integers(1, 10)))) for _ in range(int(side / (100 * scale)) + 1)]
            top += int(scale * rng.uniform(30, 36))
            cv2.putText(canvas, " ".join(words), (int(rng.integers(-20, 40)), top), font, scale, ink, thickness, cv2.LINE_AA)
    return np.asarray(cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def drawing(rng: Generator, palette: Picture, size: int = 192) -> Picture:
    """Smooth curves, straight lines, circles and hatching on a plain sheet."""
    side = 2 * size
    canvas, ink = _sheet(rng, palette, side)
    for _ in range(int(rng.integers(8, 40))):
        colour = ink if rng.random() < 0.7 else [int(v) for v in palette[rng.integers(len(palette))]]
        thickness, kind = int(rng.integers(1, 6)), rng.random()
        start = rng.uniform(0, side, 2)
        if kind < 0.5:
            # The direction of the pen is a random walk; its position is the integral.
            turn = np.cumsum(rng.normal(0, rng.uniform(0.02, 0.3)) + rng.normal(0, 0.05, 80)) + rng.uniform(0, 2 * np.pi)
            points = start + rng.uniform(2, 8) * np.cumsum(np.stack([np.cos(turn), np.sin(turn)], 1), axis=0)
            cv2.polylines(canvas, [points.astype(np.int32)], bool(rng.random() < 0.1), colour, thickness, cv2.LINE_AA)
        elif kind < 0.7:
            cv2.circle(canvas, [int(v) for v in start], int(rng.uniform(3, side / 4)), colour, thickness, cv2.LINE_AA)
        else:
            slope, apart = rng.uniform(-side / 2, side / 2, 2), rng.uniform(4, 24)
            for number in range(int(rng.choice([1, 2, 12]))):
                first = start + number * np.array([apart, 0])
                ends = np.stack([first, first + slope]).astype(np.int32)
                cv2.polylines(canvas, [ends], False, colour, thickness, cv2.LINE_AA)
    return np.asarray(cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def _sheet(rng: Generator, palette: Picture, side: int) -> tuple[Picture, list[int]]:
    """A background (side, side, 3), of one colour or a gradient, and an ink of clearly different brightness."""
    by_luma = palette[np.argsort(palette.sum(axis=1, dtype=int))]
    fifth = -(-len(palette) // 5)
    ends = by_luma[-fifth:], by_luma[:fifth]
    ground, ink = ends if rng.random() < 0.7 else ends[::-1]
    colours = ground[rng.integers(len(ground), size=2 if rng.random() < 0.4 else 1)]
    shading = cv2.resize(colours[:, None].repeat(2, axis=1), (side, side), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(shading, np.uint8), [int(v) for v in ink[rng.integers(len(ink))]]


def _coloured(field: Plane, rng: Generator, palette: Picture, contrast: float) -> Picture:
    """Map a field to a scale of three to five colours in order of brightness.

    Args:
        contrast: the least range of brightness ranks of the scale, in [0, 1].
    """
    by_luma = palette[np.argsort(palette.sum(axis=1, dtype=int))]
    middle, reach = rng.random(), rng.uniform(contrast, 1) / 2
    places = np.clip(np.sort(rng.uniform(middle - reach, middle + reach, int(rng.integers(3, 6)))), 0, 1)
    colours = by_luma[(places * (len(palette) - 1)).astype(int)].astype(np.float32)
    colours = colours if rng.random() < 0.5 else colours[::-1]
    low, high = np.quantile(field, (0.01, 0.99))
    place = np.clip((field - low) / max(float(high - low), 1e-6), 0, 1)
    marks = np.linspace(0, 1, len(colours))
    picture = np.stack([np.interp(place, marks, colours[:, channel]) for channel in range(3)], axis=-1)
    return np.asarray(picture.round(), np.uint8)


def _field(rng: Generator, height: int, width: int, power: float, elongation: float = 1.0) -> Plane:
    """A Gaussian random field (height, width), mean 0 and variance 1, with amplitudes proportional to frequency^-power.

    Args:
        elongation: ratio of the correlation lengths along and across a random direction.
    """
    down, right = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    angle = rng.uniform(0, np.pi)
    along, across = down * np.sin(angle) + right * np.cos(angle), down * np.cos(angle) - right * np.sin(angle)
    frequency = np.sqrt((along * elongation) ** 2 + across**2)
    frequency[0, 0] = np.inf
    white = np.fft.rfft2(rng.standard_normal((height, width)))
    field = np.fft.irfft2(white * frequency**-power, s=(height, width))
    return np.asarray(field / max(float(field.std()), 1e-12), np.float32)


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
    """A gradient between two colours, stripes, or a random field."""
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
        share = np.clip(0.5 + 0.2 * _field(rng, height, width, rng.uniform(0.5, 2.5), rng.choice([1, 5])), 0, 1)
        other = colour + rng.uniform(0.1, 0.7) * (other - colour)
    return colour + share[..., None].astype(np.float32) * (other - colour)


def _strokes(canvas: Picture, rng: Generator, palette: Picture) -> None:
    """Lines and lettering, which are rare in photographs but common in pictures to restore."""
    side = canvas.shape[0]
    for _ in range(int(rng.integers(2, 10))):
        colour = [int(v) for v in palette[rng.integers(len(palette))]]
        thickness = int(rng.integers(1, 8))
        start = [int(v) for v in rng.integers(0, side, 2)]
        if rng.random() < 0.5:
            cv2.line(canvas, start, [int(v) for v in rng.integers(0, side, 2)], colour, thickness, cv2.LINE_AA)
        else:
            word = "".join(rng.choice(CHARACTERS, int(rng.integers(2, 9))))
            cv2.putText(canvas, word, start, int(rng.choice(FONTS)), float(rng.uniform(0.6, 3)), colour, thickness, cv2.LINE_AA)
