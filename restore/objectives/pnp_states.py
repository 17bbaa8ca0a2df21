"""Intermediate states of plug-and-play restoration (guidance/pnp.py), on which a denoiser is trained besides Gaussian noise."""

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

from restore.guidance.pnp import ENLARGING, FILLING, PnP
from restore.objectives.jpeg_states import State, compressed
from restore.operators import Downsample, Mask
from restore.operators.operator import Linear
from restore.sampling import schedules

DOWNSAMPLING_SHARE = 0.45
"""Share of trajectories whose operator is a downsampling; the others have a mask."""
SCALES = (2, 3, 4, 4)
STEPS = {6: 0.2, 12: 0.3, 24: 0.4, 50: 0.1}
"""Number of steps of a new trajectory -> its probability. Longer ones stay in the pool for longer."""
LAST = 0.01
"""The last noise level of trajectories; that of the methods or below it."""
POOL_SIZE = 16
"""Unfinished trajectories per trajectory in a batch, so that those of one batch are little correlated."""
Holes = NDArray[np.bool_]


@dataclass(frozen=True)
class Trajectory:
    """An unfinished plug-and-play restoration of one picture.

    Attributes:
        clean: (1, C, H, W) in [-1, 1], the ground truth.
        operator: the measurement is operator(clean), without noise.
        missing: share of the values that the measurement does not determine.
        sigmas: (n,), the noise levels of the remaining steps.
        x: (1, C, H, W), the next input of the denoiser.
    """

    clean: Tensor
    operator: Linear
    missing: float
    sigmas: Tensor
    x: Tensor

    def error(self, x0: Tensor) -> Tensor:
        """Mean squared error (1,) of the denoiser's output x0 in what the measurement does not determine.

        Plug-and-play replaces the rest by the measurement.
        """
        missing = self.operator.prox(x0 - self.clean, torch.zeros_like(self.operator(self.clean)), 0.0)
        return missing.square().mean(dim=(1, 2, 3)) / self.missing

    @torch.no_grad()
    def advance(self, x0: Tensor) -> Trajectory:
        """The trajectory one step later, given the denoiser's output x0."""
        return replace(self, sigmas=self.sigmas[1:], x=_with_measurement(self.operator, x0, self.clean))


class TrajectoryPool:
    """Unfinished plug-and-play trajectories, which provide a share of each batch.

    In plug-and-play the denoiser's input holds no Gaussian noise but errors of the initial estimate and of the denoiser's own
    earlier outputs. A denoiser trained on Gaussian noise alone takes such errors for detail. It is therefore trained also on
    the states that its own outputs lead to (DAgger: Ross, Gordon and Bagnell 2011, 1011.0686), with the clean picture as the
    target. Only what the measurement does not determine counts, since plug-and-play replaces the rest. The outputs that enter
    the loss are also the next steps, so trajectories need no evaluations of their own.

    Each process has a pool of its own. A resumed run starts new trajectories.

    Args:
        share: of the crops of each batch, in [0, 1].
        compressed: share of new trajectories that start from a JPEG (`CompressedTrajectory`); the others lack pixels.
    """

    def __init__(self, share: float, compressed: float = 0.0) -> None:
        self.share, self.compressed = share, compressed
        self._pool: list[State] = []

    @torch.no_grad()
    def sample(self, clean: Tensor, generator: Generator) -> list[State]:
        """Take the trajectories of one batch out of the pool; the share holds on average over batches.

        Args:
            clean: (B, C, H, W) in [-1, 1]; new trajectories start from its first pictures.
        """
        dice = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        count = int(self.share * len(clean) + dice.random())
        if not count:
            return []
        pictures = cycle(clean[:count].split(1))
        while len(self._pool) < POOL_SIZE * count:
            start = compressed if self.compressed and dice.random() < self.compressed else _random
            self._pool.append(start(next(pictures).clone(), dice))  # Cloned: a view would keep the whole batch in memory.
        picked = set(dice.choice(len(self._pool), count, replace=False).tolist())
        taken = [one for index, one in enumerate(self._pool) if index in picked]
        self._pool = [one for index, one in enumerate(self._pool) if index not in picked]
        return taken

    def put_back(self, trajectories: Iterable[State]) -> None:
        """Return to the pool those that have steps left."""
        self._pool += [one for one in trajectories if len(one.sigmas)]


def begun(clean: Tensor, operator: Linear, missing: float, method: PnP, dice: Dice) -> Trajectory:
    """The start of a run of the method on what an operator measures of a picture, with a random number of steps.

    Args:
        clean: (1, C, H, W) in [-1, 1].
        missing: share of the values that the measurement does not determine.
    """
    steps = int(dice.choice(list(STEPS), p=list(STEPS.values())))
    sigmas = schedules.geometric(method.sigma_start, LAST, steps)[:-1].float()
    x = _with_measurement(operator, operator.initial_estimate(operator(clean)), clean)
    return Trajectory(clean, operator, missing, sigmas, x)


def _random(clean: Tensor, dice: Dice) -> Trajectory:
    height, width = clean.shape[-2:]
    scales = [scale for scale in SCALES if height % scale == 0 and width % scale == 0]
    if scales and dice.random() < DOWNSAMPLING_SHARE:
        scale = int(dice.choice(scales))
        return begun(clean, Downsample((height, width), scale), 1 - 1 / scale**2, ENLARGING, dice)
    holes = _random_pixels(dice, height, width) if dice.random() < 0.6 else _strokes(dice, height, width)
    holes[int(dice.integers(height)), int(dice.integers(width))] = True  # At least one pixel is missing.
    keep = torch.from_numpy(~holes)[None, None]
    return begun(clean, Mask(keep.to(clean.device)), float(holes.mean()), FILLING, dice)


def _with_measurement(operator: Linear, x: Tensor, clean: Tensor) -> Tensor:
    """x with its determined part replaced by that of operator(clean)."""
    return operator.prox(x, operator(clean), torch.zeros((), device=x.device))


def _random_pixels(dice: Dice, height: int, width: int) -> Holes:
    return dice.random((height, width)) < dice.uniform(0.3, 0.95)


def _strokes(dice: Dice, height: int, width: int) -> Holes:
    """Holes like scratches and lettering."""
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
