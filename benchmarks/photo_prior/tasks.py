"""Pictures damaged as files would be, and the ways to restore them: this toolkit's defaults, and what people use instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.photo_prior.others import colourings, denoisers, enlargements, fills
from benchmarks.pictures import reduced, rounded

Array = NDArray[Any]
Answers = dict[str, Callable[[], Array]]
OURS = "restore"
SIDE = 256


def masks(size: int, seed: int) -> Iterator[tuple[str, Array]]:
    rng = np.random.default_rng(seed)
    for share in (50, 80):
        yield f"missing {share} %", (rng.random((size, size)) < share / 100) * np.uint8(255)
    text = np.zeros((size, size), np.uint8)
    for row in range(6):
        cv2.putText(text, "restore pictures", (5, 30 + 40 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 2)
    yield "missing under text", np.where(text > 127, 255, 0).astype(np.uint8)


def tasks(restorer: Callable[..., Any], truth: Array, seed: int) -> Iterator[tuple[str, Answers, Array, Array | None]]:
    """(task, ways to answer it, the truth, the pixels that count) of one square picture."""

    def ours(task: str, picture: Array, **options: Any) -> Answers:
        return {OURS: lambda: restorer(task, picture, **options).image}

    side = truth.shape[0]
    for name, mask in masks(side, seed):
        damaged = np.where(mask[..., None] > 0, 0, truth).astype(np.uint8)
        yield name, ours("inpaint", damaged, mask=mask) | fills(damaged, mask), truth, mask
    for scale in (2, 3, 4):
        fitted = side - side % scale
        small = reduced(truth[:fitted, :fitted], scale)
        answers = ours("super-resolution", small, scale=scale) | enlargements(small, (fitted, fitted))
        yield f"super-resolution x{scale}", answers, truth[:fitted, :fitted], None
    rng = np.random.default_rng(seed)
    shown = rng.random(truth.shape[:2]) < 0.01
    hints = np.dstack([np.where(shown[..., None], truth, 0), shown * 255]).astype(np.uint8)
    gray = cv2.cvtColor(truth, cv2.COLOR_RGB2GRAY)
    answers = ours("colorize", np.repeat(gray[..., None], 3, 2), hints=hints) | colourings(gray, truth, shown)
    yield "colorize, 1 % hints", answers, truth, None
    noisy = rounded(truth + rng.standard_normal(truth.shape) * 25)
    yield "denoise 25", ours("denoise", noisy, sigma=25) | denoisers(noisy, 25, truth), truth, None
