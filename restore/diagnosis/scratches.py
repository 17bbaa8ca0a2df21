"""Finds scratches and dust: thin or small things that the picture around them does not explain."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from restore import bundled
from restore.diagnosis.network import MULTIPLE, ScratchDetector
from restore.diagnosis.responses import local_contrast, responses

WEIGHTS = Path(__file__).with_name("scratches.safetensors")
PART, MARGIN = 768, 96  # Pixels: sides of the parts that are looked at, and how far they overlap.
SMALLEST = 16  # Pixels; in pictures with a shorter side nothing is found.
LEAST_SIDE = 400  # Pixels; larger pictures are also looked at reduced while their shorter side is at least this.
SEED, REST = 0.95, 0.5  # Probabilities: of the surest pixel of a scratch, and of all its pixels.
FEWEST = 3.0  # The sum of probabilities over a scratch or speck.
WITNESS = 1.2  # Times the local contrast by which it differs from what its surroundings say.
EDGE, ACROSS = 1.5, 5.0  # It differs by so many times more than its two sides do, so many pixels apart.
Bool = NDArray[np.bool_]
Floats = NDArray[np.float32]


def find_scratches(pixels: Tensor) -> Tensor:
    """The pixels of scratches, hairs and specks of dust.

    A small network (restore/training/scratch_detector.py), trained on photographs with simulated damage, weighs how much each
    pixel stands out against medians and along lines (`responses`). What it marks is then filled from its surroundings (Telea
    2004, "An image inpainting technique based on the fast marching method"); where the fill agrees with what was there,
    nothing is damaged. It is conservative, but cannot know whether a thin line is a wire or a scratch: look at what it marks.

    Args:
        pixels: (1, 1 or 3, H, W) in [-1, 1].

    Returns: bool (1, 1, H, W), true where damaged; nowhere if a side is below 16 pixels.

    Raises: PriorError if the network's weights are damaged.
    """
    if min(pixels.shape[-2:]) < SMALLEST:
        return torch.zeros(1, 1, *pixels.shape[-2:], dtype=torch.bool)
    picture = np.ascontiguousarray(((pixels[0].float().cpu() + 1) * 127.5).permute(1, 2, 0).numpy(), np.float32)
    found = _marked(picture)
    reduction = 2
    while min(picture.shape[:2]) >= LEAST_SIDE * reduction:
        height, width = (side // reduction for side in picture.shape[:2])
        resized = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.float32)
        smaller = resized.reshape(height, width, -1)
        larger = cv2.resize(_marked(smaller).astype(np.uint8), found.shape[::-1], interpolation=cv2.INTER_NEAREST)
        found |= larger > 0
        reduction *= 2
    return torch.from_numpy(found)[None, None]


def probability(picture: Floats) -> Floats:
    """The probability (H, W) that a pixel is damaged, at the size of the picture alone.

    Args:
        picture: (H, W, 1 or 3) in grey levels, 0 to 255.
    """
    found = np.zeros(picture.shape[:2], np.float32)
    for inner, outer, within in _parts(picture.shape[:2]):
        found[inner] = _probability_of_part(picture[outer])[within]
    return found


def _marked(picture: Floats) -> Bool:
    """What is damaged, with the pixels beside it."""
    likely = probability(picture)
    count, numbers = cv2.connectedComponents((likely > REST).astype(np.uint8), connectivity=8)
    label = np.asarray(numbers, np.intp)
    index = np.arange(count)
    surest = np.zeros(count, np.float32)
    np.maximum.at(surest, label.ravel(), likely.ravel())
    total = np.bincount(label.ravel(), likely.ravel(), minlength=count)
    keep = (surest > SEED) & (total > FEWEST) & (index > 0)
    mark = keep[label]
    if not mark.any():
        return mark
    wide = np.asarray(cv2.dilate(mark.astype(np.uint8), np.ones((3, 3), np.uint8)), np.uint8)
    size = np.bincount(label.ravel(), minlength=count)
    relative, absolute, step = (np.bincount(label.ravel(), one.ravel(), minlength=count) for one in _unexplained(picture, wide))
    keep &= (relative > WITNESS * size) & (absolute > EDGE * step)
    kept = keep[label].astype(np.uint8)
    return np.asarray(cv2.dilate(kept, np.ones((3, 3), np.uint8)) > 0)


def _unexplained(picture: Floats, hole: NDArray[np.uint8]) -> tuple[Floats, Floats, Floats]:
    """How far what lies in a hole is from what its surroundings say, in units of the local contrast and in grey levels, and by
    how many grey levels the surroundings differ from one side to the other."""
    levels = np.rint(picture).clip(0, 255).astype(np.uint8)
    given = levels if levels.shape[2] == 3 else levels[..., 0]
    filled = cv2.inpaint(given, hole, 4, cv2.INPAINT_TELEA).reshape(picture.shape).astype(np.float32)
    gray = np.ascontiguousarray(filled.mean(axis=2))
    contrast = local_contrast(gray - cv2.medianBlur(np.rint(gray).clip(0, 255).astype(np.uint8), 5))
    away = np.asarray(np.abs(picture - filled).max(axis=2), np.float32)
    smooth = cv2.GaussianBlur(gray, (0, 0), 2.0)
    step = np.hypot(cv2.Scharr(smooth, cv2.CV_32F, 1, 0), cv2.Scharr(smooth, cv2.CV_32F, 0, 1)) / 32 * ACROSS
    return away / contrast, away, np.asarray(step, np.float32)


@lru_cache(maxsize=1)
def _network() -> ScratchDetector:
    from safetensors.torch import load_file

    bundled.check(WEIGHTS)
    network = ScratchDetector()
    network.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS).items()})
    return network.eval()


@torch.no_grad()
def _probability_of_part(picture: Floats) -> Floats:
    height, width = picture.shape[:2]
    below, right = (-side % MULTIPLE for side in (height, width))
    x = F.pad(torch.from_numpy(responses(picture))[None], (0, right, 0, below), mode="replicate")
    return np.asarray(_network()(x)[0, 0, :height, :width].sigmoid().numpy())


Part = tuple[slice, slice]


def _parts(size: tuple[int, ...]) -> Iterator[tuple[Part, Part, Part]]:
    """Parts of a picture: their place, their place with margins, and where they lie in the latter."""
    corners = product(*(range(0, side, PART) for side in size))
    for corner in corners:
        inner = [(at, min(at + PART, side)) for at, side in zip(corner, size, strict=True)]
        outer = [(max(0, first - MARGIN), min(side, last + MARGIN)) for (first, last), side in zip(inner, size, strict=True)]
        within = [slice(first - start, last - start) for (first, last), (start, _) in zip(inner, outer, strict=True)]
        yield (
            (slice(*inner[0]), slice(*inner[1])),
            (slice(*outer[0]), slice(*outer[1])),
            (within[0], within[1]),
        )
