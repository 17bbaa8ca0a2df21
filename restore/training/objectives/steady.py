"""What plug-and-play shows a prior, and what a steady one answers to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from numpy.random import Generator as Dice
from numpy.typing import NDArray
from torch import Generator, Tensor

from restore import paths
from restore.guidance.pnp import FILLING, PnP
from restore.operators import Downsample, Mask
from restore.operators.operator import Linear

ENLARGING = PnP()
DEPTH, STEPS = 10, (10, 24, 50)
"""Steps walked at most, and of which paths: fewer, longer ones and more, shorter ones."""
SCALES = (2, 3, 4)
Holes = NDArray[np.bool_]


@torch.no_grad()
def met(model: Callable[..., Any], clean: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Pictures as a denoiser meets them while plug-and-play fills holes or enlarges by it, at random stages.

    Their errors are no white noise: those of a first guess, then those that the denoiser's own answers leave. The model walks
    by itself, so that it learns where it errs (Ross, Gordon and Bagnell 2011, 1011.0686).

    Args:
        model: D, called with pictures and levels.
        clean: (B, C, H, W) in [-1, 1].

    Returns: pictures (B, C, H, W), and the level (B,) at which each would be asked about next.
    """
    dice = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    operator, method = _measurement(dice, clean)
    y, exact = operator(clean), torch.zeros((), device=clean.device)
    path = paths.geometric(method.sigma_start, method.sigma_end, int(dice.choice(STEPS)))[:-1]
    depth = int(dice.integers(DEPTH))
    first = int(dice.integers(len(path) - depth))  # An early or a late part of the path.
    levels = path[first : first + depth + 1].to(clean)
    seen = operator.prox(operator.guess(y), y, exact)
    for level in levels[:-1]:
        answer = model(seen, level.expand(len(clean)))
        seen = operator.prox(seen.lerp(answer, method.relaxation), y, exact)
    return seen, levels[-1].expand(len(clean))


def _measurement(dice: Dice, clean: Tensor) -> tuple[Linear, PnP]:
    height, width = clean.shape[-2:]
    scales = [scale for scale in SCALES if height % scale == 0 and width % scale == 0]
    if scales and dice.random() < 0.4:
        return Downsample((height, width), int(dice.choice(scales))), ENLARGING
    lost = np.stack([_scattered(dice, height, width) if dice.random() < 0.6 else _strokes(dice, height, width) for _ in clean])
    return Mask(torch.from_numpy(~lost)[:, None].to(clean.device)), FILLING


def _scattered(dice: Dice, height: int, width: int) -> Holes:
    return dice.random((height, width)) < dice.uniform(0.3, 0.95)


def _strokes(dice: Dice, height: int, width: int) -> Holes:
    """Scratches and lettering."""
    canvas = np.zeros((height, width), np.uint8)
    for _ in range(int(dice.integers(2, 16))):
        first, last = (tuple(int(v) for v in dice.integers(0, (width, height))) for _ in range(2))
        thickness = int(dice.integers(1, 7))
        if dice.random() < 0.5:
            cv2.line(canvas, first, last, 255, thickness)
        else:
            place = (-8 + first[0] // 2, first[1])
            cv2.putText(canvas, "restore", place, int(dice.integers(8)), float(dice.uniform(0.4, 1.2)), 255, thickness)
    return canvas > 0
