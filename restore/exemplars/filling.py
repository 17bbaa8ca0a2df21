"""Fills holes with patches of the picture, from coarse to fine (Wexler, Shechtman & Irani 2007)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.exemplars.canvas import Canvas
from restore.exemplars.peel import peeled
from restore.exemplars.search import Field, RandomSearch, exact, finer
from restore.exemplars.texture import with_texture
from restore.exemplars.votes import rim_weights, voted

JITTERED = 2  # Sizes, from the coarsest, at which patches are chosen with jitter; finer ones follow them.
CELL = 4  # Pixels of the grid of that jitter, so that whole parts of the picture are preferred, and not patches here and there.
AT_MOST = 30_000_000  # Pairs of patches at the smallest size, if smaller ones can be had.
FEWEST = 64  # Whole known patches without which nothing can be continued.


@dataclass(frozen=True)
class Settings:
    """How holes are filled.

    Attributes:
        radius: of patches in pixels.
        rounds: of search and votes at each size, the coarsest first; the last number holds for all finer ones.
        rim: the base of the weights by distance to the rim.
        all_of: pairs of patches up to which all are compared; beyond, the search is by chance.
        jitter: how much of the typical distance of patches is added to them at random at the coarsest sizes, for answers
            that differ.
        texture: weight of texture beside colour where patches are compared; see `with_texture`.
    """

    radius: int = 2
    rounds: tuple[int, ...] = (20, 12, 6, 4, 2)
    rim: float = 1.5
    all_of: int = 1_000_000
    jitter: float = 0.0
    texture: float = 4.0
    search: RandomSearch = field(default_factory=RandomSearch)

    def rounds_at(self, index: int) -> int:
        """Rounds at a size, counted from the coarsest."""
        return self.rounds[min(index, len(self.rounds) - 1)]

    def compares_all(self, targets: int, sources: int, index: int) -> bool:
        return index == 0 or targets * sources <= self.all_of


def fill(
    picture: Tensor,
    known: Tensor,
    wanted: Tensor,
    *,
    lenders: Sequence[Tensor] = (),
    seed: int = 0,
    settings: Settings = Settings(),
) -> Tensor | None:
    """The picture with its wanted pixels filled; None if too little is known.

    Args:
        picture: (C, H, W) in [-1, 1].
        known, wanted: bool (H, W).
        lenders: other pictures (C, h, w) whose patches may be taken.
    """
    random = torch.Generator().manual_seed(seed)
    shown = with_texture(picture, known, settings.texture)
    lent = [with_texture(lender, torch.ones_like(lender[0], dtype=torch.bool), settings.texture) for lender in lenders]
    pyramid = pyramid_of(Canvas.of(shown, known, wanted, lent), settings.radius)
    if not pyramid:
        return None
    found: Field | None = None
    radius, canvas = settings.radius, pyramid[-1].guessed()
    for index, level in enumerate(reversed(pyramid)):
        targets, sources = level.targets(radius), level.sources(radius)
        valid = torch.zeros(level.known.numel(), dtype=torch.bool)
        valid[sources] = True
        rim = rim_weights(level, settings.rim)
        if found is None:
            canvas = peeled(canvas, sources, radius)
        else:
            found = finer(found, canvas, level, targets, valid, random)
            canvas = voted(level.guessed(), found, rim, radius)
        compares_all, penalty = settings.compares_all(len(targets), len(sources), index), None
        for turn in range(settings.rounds_at(index)):
            if found is None or compares_all:
                found = exact(canvas, targets, sources, radius, penalty)
                if turn == 0 and index < JITTERED and settings.jitter > 0:
                    penalty = settings.jitter * found.distance.median() * _smooth_noise(canvas, random)[sources]
            else:
                found = settings.search(canvas, found, valid, radius, random)
            canvas = voted(canvas, found, rim, radius)
    return canvas.pixels[: picture.shape[-2], : picture.shape[-1], : len(picture)].permute(2, 0, 1)


def pyramid_of(canvas: Canvas, radius: int) -> list[Canvas]:
    """The canvas and its reductions by halves, the finest first, while enough of them is known."""
    found: list[Canvas] = []
    while min(canvas.height, canvas.width) >= 4 * (2 * radius + 1):
        sources, targets = len(canvas.sources(radius)), len(canvas.targets(radius))
        # Small sizes with too little around the hole mislead; but the smallest must be small, since all is compared there.
        least = 0 if not found or len(found[-1].targets(radius)) * len(found[-1].sources(radius)) > AT_MOST else targets // 2
        if targets == 0 or sources < max(FEWEST, least):
            break
        found.append(canvas)
        canvas = canvas.halved()
    return found


def _smooth_noise(canvas: Canvas, random: torch.Generator) -> Tensor:
    """Standard normal numbers (H W,) that change from cell to cell."""
    height, width = canvas.known.shape
    drawn = torch.randn(1, 1, -(-height // CELL) + 1, -(-width // CELL) + 1, generator=random)
    return F.interpolate(drawn, scale_factor=CELL, mode="bilinear")[0, 0, :height, :width].flatten()
