"""Fills holes with patches of the picture, from coarse to fine (Wexler, Shechtman & Irani 2007)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.exemplars.canvas import Canvas, Lender
from restore.exemplars.copies import copies
from restore.exemplars.search import Field, exact, finer
from restore.exemplars.settings import Settings
from restore.exemplars.start import first_guess, with_guess
from restore.exemplars.texture import with_texture
from restore.exemplars.votes import rim_weights, voted

JITTERED = 2  # Sizes, from the coarsest, at which patches are chosen with jitter; finer ones follow them.
CELL = 4  # Pixels of the grid of that jitter, so that whole parts of the picture are preferred, and not patches here and there.
AT_MOST = 30_000_000  # Pairs of patches at the smallest size, if smaller ones can be had.
USUAL = Settings()
FEWEST = 64  # Whole known patches without which nothing can be continued.


@dataclass(frozen=True)
class Filled:
    """A hole filled at one size, and where its patches are from."""

    canvas: Canvas
    field: Field


def fill(
    picture: Tensor,
    known: Tensor,
    wanted: Tensor,
    *,
    lenders: Sequence[Tensor] = (),
    seed: int = 0,
    settings: Settings = USUAL,
) -> Tensor | None:
    """The picture with its wanted pixels filled; None if too little is known.

    Args:
        picture: (C, H, W) in [-1, 1].
        known, wanted: bool (H, W).
        lenders: other pictures (C, h, w) whose patches may be taken.
    """
    random = torch.Generator().manual_seed(seed)
    shown = with_texture(picture, known, settings.texture)
    lent = [(with_texture(one, whole, settings.texture), whole) for one, whole in lent_to(picture, known, lenders, settings)]
    levels = pyramid_of(Canvas.of(shown, known, wanted, lent), settings.radius)[::-1]
    if not levels:
        return None
    guess, filled = first_guess(picture, known), None
    for index, level in enumerate(levels):
        filled = _filled(level, filled, guess, index, settings, random)
    assert filled is not None
    return filled.canvas.pixels[: picture.shape[-2], : picture.shape[-1], : len(picture)].permute(2, 0, 1)


def lent_to(picture: Tensor, known: Tensor, lenders: Sequence[Tensor], settings: Settings) -> list[Lender]:
    """What lends patches to a picture (C, H, W): others, known whole, and its own copies where the settings have some."""
    others = [(one, torch.ones_like(one[0], dtype=torch.bool)) for one in lenders]
    return [*others, *copies(picture, known, mirrored=settings.mirrored, scales=settings.scales)]


def _filled(
    level: Canvas, coarse: Filled | None, guess: Tensor, index: int, settings: Settings, random: torch.Generator
) -> Filled:
    """The fill of a size from that of the one before, or from a guess (C, H, W) at the coarsest.

    Args:
        index: of the size, counted from the coarsest.
    """
    radius = settings.radius
    targets, sources = level.targets(radius), level.sources(radius)
    valid = torch.zeros(level.known.numel(), dtype=torch.bool)
    valid[sources] = True
    rim = rim_weights(level, settings.rim)
    field: Field | None = None
    if coarse is None:
        canvas = with_guess(level.guessed(), guess)
    else:
        field = finer(coarse.field, coarse.canvas, level, targets, valid, random)
        canvas = voted(level.guessed(), field, rim, radius)
    compares_all, penalty = settings.compares_all(len(targets), len(sources), index), None
    for turn in range(settings.rounds_at(index)):
        if field is None or compares_all:
            field = exact(canvas, targets, sources, radius, penalty)
            if turn == 0 and index < JITTERED and settings.jitter > 0:
                penalty = settings.jitter * field.distance.median() * _smooth_noise(canvas, random)[sources]
        else:
            field = settings.search(canvas, field, valid, radius, random)
        canvas = voted(canvas, field, rim, radius)
    assert field is not None
    return Filled(canvas, field)


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
