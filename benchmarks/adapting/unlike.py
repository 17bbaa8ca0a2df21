"""Pictures that are not photographs of a camera: drawn here, or of scikit-image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.pictures import Array, read

SIDE = 384
INK = (40, 40, 48)
STREETS = ("Mill Lane", "North Road", "Castle Street", "River Walk", "Market Place", "Long Acre", "Station Road", "Elm Grove")
WORDS = ("restore", "picture", "noise", "mask", "sample", "prior", "level", "step", "kernel", "pixel", "answer", "measure")


def pictures() -> dict[str, Array]:
    """(384, 384, 3) uint8 each, by name."""
    return {name: make() for name, make in DRAWN.items()} | {name: _of_scikit_image(file) for name, file in FILES.items()}


def drawn_map() -> Array:
    """Parks, water, buildings, streets of two widths with a dark rim, and their names."""
    random = np.random.default_rng(1)
    canvas = np.full((2 * SIDE, 2 * SIDE, 3), (242, 239, 233), np.uint8)
    for colour in ((200, 224, 180), (170, 211, 223), (214, 232, 200)):
        corners = random.integers(0, 2 * SIDE, 2) + random.integers(-150, 150, (7, 2))
        cv2.fillPoly(canvas, [cv2.convexHull(corners.astype(np.int32))], colour, cv2.LINE_AA)
    for _ in range(90):
        x, y = (int(v) for v in random.integers(0, 2 * SIDE, 2))
        w, h = (int(v) for v in random.integers(14, 50, 2))
        cv2.rectangle(canvas, (x, y), (x + w, y + h), (217, 208, 201), -1)
        cv2.rectangle(canvas, (x, y), (x + w, y + h), (190, 178, 168), 1)
    lines = [_street(random) for _ in range(14)]
    for width, colour in ((7, (150, 140, 130)), (5, (255, 255, 255))):
        for index, line in enumerate(lines):
            wide = index % 4 == 0
            shade = (252, 214, 164) if wide and colour[0] == 255 else colour
            cv2.polylines(canvas, [line], False, shade, width + 8 * wide, cv2.LINE_AA)
    image = Image.fromarray(canvas)
    draw = ImageDraw.Draw(image)
    for name in STREETS * 2:
        x, y = (int(v) for v in random.integers(0, 2 * SIDE - 120, 2))
        draw.text((x, y), name, INK, ImageFont.load_default(22), stroke_width=3, stroke_fill=(255, 255, 255))
    return _halved(image)


def screenshot() -> Array:
    """A window with a sidebar, lines of text, buttons and a small chart."""
    random = np.random.default_rng(2)
    image = Image.new("RGB", (SIDE, SIDE), (246, 247, 249))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, SIDE, 30), (48, 63, 92))
    draw.text((10, 8), "Report - March.txt", (255, 255, 255), ImageFont.load_default(13))
    for index, colour in enumerate(((237, 106, 94), (245, 191, 79), (98, 197, 84))):
        draw.ellipse((SIDE - 60 + 18 * index, 10, SIDE - 50 + 18 * index, 20), colour)
    draw.rectangle((0, 30, 104, SIDE), (228, 231, 237))
    for row in range(12):
        if row == 3:
            draw.rectangle((4, 38 + 26 * row, 100, 60 + 26 * row), (62, 120, 214))
        shade = (255, 255, 255) if row == 3 else (60, 66, 80)
        draw.text((12, 42 + 26 * row), f"{WORDS[row].capitalize()} {row + 1}", shade, ImageFont.load_default(12))
    for row in range(11):
        line = " ".join(random.choice(WORDS, 6))
        draw.text((116, 40 + 17 * row), line[:42], INK, ImageFont.load_default(11 if row else 16))
    heights = random.integers(20, 100, 12)
    for index, height in enumerate(heights):
        colour = (62, 120, 214) if index % 3 else (237, 106, 94)
        draw.rectangle((122 + 20 * index, 350 - int(height), 136 + 20 * index, 350), colour)
    draw.line((116, 350, SIDE - 14, 350), INK)
    draw.rounded_rectangle((290, 356, 370, 378), 5, (62, 120, 214))
    draw.text((314, 361), "Save", (255, 255, 255), ImageFont.load_default(12))
    return np.asarray(image)


def engraving() -> Array:
    """A ball and a cylinder in black hatching on paper."""
    down, right = np.mgrid[: 2 * SIDE, : 2 * SIDE].astype(np.float64)
    shade = 0.25 + 0.2 * down / SIDE
    ball = np.hypot(right - 250, down - 330) / 190
    light = np.clip((250 - right + 330 - down) / 260, -1, 1)
    shade = np.where(ball < 1, 0.55 - 0.5 * light, shade)
    inside = (np.abs(right - 580) < 110) & (down > 180) & (down < 640)
    shade = np.where(inside, 0.5 + 0.45 * (right - 580) / 110, shade)
    lines = np.sin((right + down + 14 * np.sin(down / 40)) * 2 * np.pi / 13)
    crossed = np.sin((right - down) * 2 * np.pi / 13)
    ink = (lines > 1 - 2 * shade * 0.7) | ((crossed > 2 - 2 * shade) & (shade > 0.6))
    edge = (np.abs(ball - 1) < 0.012) | (inside ^ cv2.erode(inside.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool))
    paper = np.where((ink | edge)[..., None], np.array(INK), np.array((236, 229, 212))).astype(np.uint8)
    return _halved(Image.fromarray(paper))


DRAWN: dict[str, Callable[[], Array]] = {"map": drawn_map, "screenshot": screenshot, "engraving": engraving}
FILES = {"tissue": "ihc.png", "retina": "retina.jpg", "cell": "cell.png"}


def _street(random: np.random.Generator) -> np.ndarray:
    """(n, 2) int32: a line from border to border that bends a little."""
    start, end = random.integers(0, 2 * SIDE, 2), random.integers(0, 2 * SIDE, 2)
    across = random.random() < 0.5
    along = np.linspace(0, 2 * SIDE, 7)
    aside = np.linspace(start[0], end[0], 7) + random.normal(0, 22, 7)
    return np.stack([along, aside] if across else [aside, along], axis=1).astype(np.int32)


def _halved(image: Image.Image) -> Array:
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))


def _of_scikit_image(file: str) -> Array:
    import skimage

    picture = read(Path(skimage.__file__).parent / "data" / file)
    top, left = ((side - SIDE) // 2 for side in picture.shape[:2])
    return picture[top : top + SIDE, left : left + SIDE]
