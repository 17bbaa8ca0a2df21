"""Scratches, hairs and specks on a photograph."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FINE = 4  # Things are drawn so many times larger, and reduced.
VISIBLE = 6.0  # Grey levels by which damage has to change a pixel to count.


def damage(
    picture: NDArray[np.uint8], random: np.random.Generator, amount: float = 1.0
) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.bool_]]]:
    """A photograph (H, W, 3) with scratches, hairs and specks.

    Of scratches, width (0.6 to 4 pixels), brightness, opacity (0.3 to 1, changing along the line), curvature and length are
    drawn at random; of specks, size, shape, brightness and opacity.

    Returns: the damaged picture, and (H, W) where each kind changed it by more than `VISIBLE` grey levels.
    """
    size = picture.shape[:2]
    found = picture.astype(np.float64)
    long, kinds = max(size), {}
    plan: list[tuple[str, int, Callable[[np.random.Generator, tuple[int, int]], Floats]]] = [
        ("scratches", 1 + int(amount * random.integers(1, 7)), lambda r, s: _scratch(r, s, long)),
        ("hairs", int(amount * random.integers(0, 5)), _hair),
        ("specks", int(amount * random.integers(10, 70) * size[0] * size[1] / 3e5), _speck),
    ]
    usual = random.choice([0, 1], p=[0.3, 0.7])  # Most damage of one picture is of one sign.
    for kind, count, draw in plan:
        before = found.copy()
        for _ in range(count):
            light = usual if random.random() < 0.8 else 1 - usual
            level = random.uniform(190, 255) if light else random.uniform(0, 60)
            colour = level + random.normal(0, 8, 3) * random.choice([0, 1])
            alpha = draw(random, size)[..., None]
            found += alpha * (colour - found)
        kinds[kind] = np.abs(found - before).max(axis=2)
    result = found.round().clip(0, 255).astype(np.uint8)
    changed = np.abs(result.astype(float) - picture).max(axis=2) > VISIBLE
    return result, {kind: (change > VISIBLE) & changed for kind, change in kinds.items()}


def _scratch(random: np.random.Generator, size: tuple[int, int], long: int) -> Floats:
    """Opacity (H, W) of a long line that hardly bends."""
    length = long * random.uniform(0.08, 1.1)
    angle = random.normal(np.pi / 2, 0.15) if random.random() < 0.5 else random.uniform(0, np.pi)
    points = _walk(random, size, length, angle, bend=random.choice([0.0, 0.002, 0.01]), count=160)
    line = _drawn(points, size, random.uniform(0.6, 4.0) if random.random() < 0.7 else random.uniform(0.6, 1.6))
    opacity = random.uniform(0.3, 1)
    # It fades along its length, and some have gaps.
    at = np.linspace(0, 1, 160)
    waves = 1 + random.uniform(0, 0.5) * np.sin(2 * np.pi * (random.uniform(0.5, 4) * at + random.random()))
    if random.random() < 0.3:
        waves *= np.sin(2 * np.pi * (random.uniform(1, 5) * at + random.random())) > -0.6
    along = np.zeros(size, np.float32)
    for (x, y), weight in zip(points, waves, strict=True):
        if 0 <= x < size[1] and 0 <= y < size[0]:
            cv2.circle(along, (int(x), int(y)), int(length / 80) + 3, float(weight), -1)
    return line * np.clip(opacity * cv2.blur(along, (5, 5)), 0, 1)


def _hair(random: np.random.Generator, size: tuple[int, int]) -> Floats:
    """Opacity (H, W) of a short thin line that bends."""
    points = _walk(
        random, size, random.uniform(20, 110), random.uniform(0, 2 * np.pi), bend=random.uniform(0.02, 0.1), count=60
    )
    return random.uniform(0.4, 1) * _drawn(points, size, random.uniform(0.8, 2.2))


def _speck(random: np.random.Generator, size: tuple[int, int]) -> Floats:
    """Opacity (H, W) of something small and compact."""
    radius = min(6.0, 0.7 * np.exp(abs(random.normal(0, 0.8))))
    angles = np.linspace(0, 2 * np.pi, 9)[:-1]
    reach = radius * random.uniform(0.6, 1.4, 8)
    flat = random.uniform(0.5, 1)
    middle = random.uniform(0, size[1]), random.uniform(0, size[0])
    outline = np.stack([middle[0] + reach * np.cos(angles), middle[1] + flat * reach * np.sin(angles)], axis=1)
    return random.uniform(0.45, 1) * _local(outline, size, lambda canvas, at: cv2.fillPoly(canvas, [at], 1.0))


def _walk(random: np.random.Generator, size: tuple[int, int], length: float, angle: float, bend: float, count: int) -> Floats:
    """Points (count, 2), x and y, of a line whose direction drifts."""
    step = length / count
    drift = bend * step * random.normal(0, 1, count).cumsum() / 2 + bend * step * random.normal(0, 1) * np.arange(count) / 2
    direction = angle + drift
    path = np.cumsum(step * np.stack([np.cos(direction), np.sin(direction)], axis=1), axis=0)
    middle = np.array([random.uniform(0, size[1]), random.uniform(0, size[0])])
    return np.asarray(path - path[count // 2] + middle)


def _drawn(points: Floats, size: tuple[int, int], width: float) -> Floats:
    thick = max(1, round(width * FINE))
    return _local(points, size, lambda canvas, at: cv2.polylines(canvas, [at], False, 1.0, thick), margin=int(width) + 2)


def _local(points: Floats, size: tuple[int, int], draw: Callable[[NDArray, NDArray], object], margin: int = 2) -> Floats:
    """Draws on a fine canvas around points, and puts it, reduced, into (H, W)."""
    found = np.zeros(size)
    left, top = np.floor(points.min(axis=0)).astype(int) - margin
    right, bottom = np.ceil(points.max(axis=0)).astype(int) + margin
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, size[1]), min(bottom, size[0])
    if right <= left or bottom <= top:
        return found
    canvas = np.zeros(((bottom - top) * FINE, (right - left) * FINE), np.float32)
    draw(canvas, np.rint((points - [left, top]) * FINE).astype(np.int32))
    found[top:bottom, left:right] = cv2.resize(canvas, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    return found
