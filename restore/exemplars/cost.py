"""What a fill will take, from the numbers of its patches and a short measurement of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from restore.exemplars.canvas import Canvas, distances
from restore.exemplars.filling import lent_to, pyramid_of
from restore.exemplars.search import BLOCK
from restore.exemplars.settings import Settings
from restore.exemplars.texture import CHANNELS

PROBE = 2048  # Patches whose comparison is timed.
PLANES = 9  # Canvases of the finest size that are held: the pyramid, its guesses, sums of votes.
FIELD = 120  # Bytes of a patch in fields, candidates and weights.
LEARNT = 0.6  # Share of the candidates that are compared: others are what a patch has already, or not whole.


@dataclass(frozen=True)
class Cost:
    """Seconds, and bytes beside the pictures that a method holds."""

    seconds: float
    bytes: int


def cost_of(known: Tensor, wanted: Tensor, channels: int, lenders: Sequence[Tensor], settings: Settings) -> Cost:
    """Of `fill` for bool masks (H, W) and pictures of so many channels."""
    blank = torch.zeros(1, *known.shape)
    lent = lent_to(blank, known, [torch.zeros(1, *lender.shape[-2:]) for lender in lenders], settings)
    levels = pyramid_of(Canvas.of(blank, known, wanted, lent), settings.radius)
    if not levels:
        return Cost(0.0, 0)
    channels += CHANNELS
    pair, product = _seconds(levels[0], channels, settings.radius)
    seconds = 0.0
    for index, level in enumerate(reversed(levels)):
        targets, sources = len(level.targets(settings.radius)), len(level.sources(settings.radius))
        rounds = settings.rounds_at(index)
        if settings.compares_all(targets, sources, index):
            seconds += rounds * targets * sources * product
        else:
            candidates = settings.search.candidates(max(level.known.shape))
            seconds += rounds * targets * candidates * LEARNT * pair
    pixels, targets = levels[0].known.numel(), len(levels[0].targets(settings.radius))
    return Cost(seconds, 4 * BLOCK + PLANES * 4 * channels * pixels + FIELD * targets)


def _seconds(canvas: Canvas, channels: int, radius: int) -> tuple[float, float]:
    """Seconds to compare a pair of patches that lie anywhere, and one of a matrix product."""
    height, width = canvas.known.shape
    pixels = torch.zeros(height, width, channels)
    random = torch.Generator().manual_seed(0)
    rows = torch.randint(radius, height - radius, (2, PROBE), generator=random)
    places = rows * width + torch.randint(radius, width - radius, (2, PROBE), generator=random)
    size = channels * (2 * radius + 1) ** 2
    some, others = torch.zeros(256, size), torch.zeros(size, 4096)
    pair = _time(lambda: distances(pixels, places[0], places[1], radius)) / PROBE
    return pair, _time(lambda: (some @ others).argmin(dim=1)) / (256 * 4096)


def _time(work: Callable[[], object]) -> float:
    """Seconds of a call, the least of three."""
    lasted = []
    for _ in range(3):
        before = time.perf_counter()
        work()
        lasted.append(time.perf_counter() - before)
    return min(lasted)
