"""Pictures on their way through plug-and-play, from which a denoiser learns where it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import cycle

import cv2
import numpy as np
import torch
from numpy.random import Generator as Dice
from numpy.typing import NDArray
from torch import Generator, Tensor

from restore.guidance.pnp import ENLARGING, FILLING
from restore.operators import Downsample, Mask
from restore.operators.operator import Linear
from restore.sampling import schedules

ENLARGED = 0.45
"""Share of walks that enlarge a picture; the others fill holes."""
SCALES = (2, 3, 4, 4)
STEPS = {6: 0.2, 12: 0.3, 24: 0.4, 50: 0.1}
"""How long walks are, and how often; long ones are under way for longer, so that they are met more often than begun."""
UNDER_WAY = 16
"""Walks under way for each that is asked about, so that those of one step have little in common."""
Holes = NDArray[np.bool_]


@dataclass(frozen=True)
class Walk:
    """One damaged picture, and how far plug-and-play has come in restoring it.

    Attributes:
        clean: (1, C, H, W) in [-1, 1].
        operator: what damaged it.
        missing: share of the values that the measurement says nothing of.
        levels: those still to come, (n,).
        seen: (1, C, H, W), what the denoiser is asked about next.
    """

    clean: Tensor
    operator: Linear
    missing: float
    levels: Tensor
    seen: Tensor

    def error(self, answer: Tensor) -> Tensor:
        """Mean square (1,) of what of an answer's error counts: the rest is replaced by what was measured."""
        wrong = answer - self.clean
        counts = self.operator.prox(wrong, torch.zeros_like(self.operator(self.clean)), 0.0)
        return counts.square().mean(dim=(1, 2, 3)) / self.missing

    @torch.no_grad()
    def onward(self, answer: Tensor) -> Walk:
        """The walk one step further, by plain steps (r = 1)."""
        return replace(self, levels=self.levels[1:], seen=_measured(self.operator, answer, self.clean))


class PnPStates:
    """Walks under way, a share of each batch. Each process has its own, and a resumed run begins new ones.

    What plug-and-play shows a denoiser is no white noise but the errors of a first guess, and then those that the denoiser's
    own answers leave. A denoiser that knows white noise alone takes such errors for detail. So it is asked there, too, in
    states to which its own answers have led (Ross, Gordon and Bagnell 2011, 1011.0686), and learns the truth where nothing
    was measured. What it answers elsewhere is replaced, so it must not count: most of that is right as it is, and to answer
    with what was asked is no step at all. Walking costs nothing, since the answers learnt from are also the steps.

    Args:
        share: of the crops of each batch, in [0, 1].
    """

    def __init__(self, share: float) -> None:
        self.share = share
        self._under_way: list[Walk] = []

    @torch.no_grad()
    def take(self, clean: Tensor, generator: Generator) -> list[Walk]:
        """Those to be asked about in this step, the batch's share of them; a small batch has its share over many steps.

        Args:
            clean: (B, C, H, W) in [-1, 1], from whose first pictures walks begin, where too few are under way.
        """
        dice = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        count = int(self.share * len(clean) + dice.random())
        if not count:
            return []
        fresh = cycle(clean[:count].split(1))
        while len(self._under_way) < UNDER_WAY * count:
            self._under_way.append(_begun(next(fresh).clone(), dice))  # A view would keep its whole batch.
        picked = set(dice.choice(len(self._under_way), count, replace=False).tolist())
        taken = [walk for index, walk in enumerate(self._under_way) if index in picked]
        self._under_way = [walk for index, walk in enumerate(self._under_way) if index not in picked]
        return taken

    def put_back(self, walks: Iterable[Walk]) -> None:
        """Those that are not at their end."""
        self._under_way += [walk for walk in walks if len(walk.levels)]


def _begun(clean: Tensor, dice: Dice) -> Walk:
    height, width = clean.shape[-2:]
    scales = [scale for scale in SCALES if height % scale == 0 and width % scale == 0]
    operator: Linear
    if scales and dice.random() < ENLARGED:
        scale = int(dice.choice(scales))
        operator, method, missing = Downsample((height, width), scale), ENLARGING, 1 - 1 / scale**2
    else:
        lost = _scattered(dice, height, width) if dice.random() < 0.6 else _strokes(dice, height, width)
        lost[int(dice.integers(height)), int(dice.integers(width))] = True  # Never nothing.
        keep = torch.from_numpy(~lost)[None, None]
        operator, method, missing = Mask(keep.to(clean.device)), FILLING, float(lost.mean())
    steps = int(dice.choice(list(STEPS), p=list(STEPS.values())))
    levels = schedules.geometric(method.sigma_start, method.sigma_end, steps)[:-1].float()
    seen = _measured(operator, operator.initial_estimate(operator(clean)), clean)
    return Walk(clean, operator, missing, levels, seen)


def _measured(operator: Linear, x: Tensor, clean: Tensor) -> Tensor:
    return operator.prox(x, operator(clean), torch.zeros((), device=x.device))


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
