"""A mask whose wide holes are filled with patches from the whole picture, also where only a window of it is restored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from restore.exemplars.canvas import Canvas
from restore.exemplars.cost import Cost, cost_of
from restore.exemplars.filling import FEWEST, fill
from restore.exemplars.settings import Settings
from restore.exemplars.wide import depth, wide_holes
from restore.operators.mask import Mask
from restore.operators.operator import Operator

REACH = 160  # Pixels around a window from which patches are taken, at least;
SPREAD = 1.0  # and the share of the hole's longer side.
SHARE = 0.1  # Whole known patches there must be, over those that holes touch.


@dataclass(frozen=True)
class Source:
    """Where patches come from.

    Attributes:
        pixels: (1, C, H, W), the picture in [-1, 1].
        known: bool (1, 1, H, W).
        wide: bool (1, 1, H, W), the holes to fill with patches.
        lenders: other pictures (1, C, h, w).
    """

    pixels: Tensor
    known: Tensor
    wide: Tensor
    lenders: tuple[Tensor, ...] = ()


class Holes(Mask):
    """`Mask`, which knows its wide holes and the whole picture, so that these can be filled with patches of it.

    Args:
        source: of the whole picture.
        box: (top, bottom, left, right), the window that the operator is for; all of the picture by default.
    """

    def __init__(self, source: Source, box: tuple[int, int, int, int] | None = None) -> None:
        height, width = source.known.shape[-2:]
        self.source, self.box = source, box or (0, height, 0, width)
        top, bottom, left, right = self.box
        super().__init__(source.known[..., top:bottom, left:right])
        self.wide = source.wide[..., top:bottom, left:right]

    @classmethod
    def of(cls, pixels: Tensor, known: Tensor, width: float, lenders: Sequence[Tensor] = ()) -> Holes:
        """The operator of a picture whose holes count as wide where discs of a diameter of `width` pixels fit."""
        wide = wide_holes(~known[0, 0], width)[None, None]
        return cls(Source(pixels, known, wide, tuple(lenders)))

    def filled(self, y: Tensor, seed: int, settings: Settings) -> Tensor:
        """An estimate (1, C, h, w) whose wide holes are filled by patches, others by a plate, as all where too little is known.

        Args:
            seed: of the search, and of `Settings.jitter`.
        """
        start = self.initial_estimate(y).cpu()
        if not bool(self.wide.any()):
            return start.to(y.device)
        top, bottom, left, right = self._region()
        filled = fill(
            self.source.pixels[0, :, top:bottom, left:right],
            self.source.known[0, 0, top:bottom, left:right],
            self._wanted(),
            lenders=[lender[0] for lender in self.source.lenders],
            seed=seed,
            settings=settings,
        )
        if filled is not None:
            rows, columns = slice(self.box[0] - top, self.box[1] - top), slice(self.box[2] - left, self.box[3] - left)
            start = torch.where(self.wide, filled[None, :, rows, columns], start)
        return start.to(y.device)

    def _wanted(self) -> Tensor:
        """The wide holes of this window, in the window from which patches are taken."""
        top, bottom, left, right = self._region()
        wanted = torch.zeros(bottom - top, right - left, dtype=torch.bool)
        rows, columns = self.box[0] - top, self.box[2] - left
        wanted[rows : rows + self.wide.shape[-2], columns : columns + self.wide.shape[-1]] = self.wide[0, 0]
        return wanted

    def _region(self) -> tuple[int, int, int, int]:
        """The window from which patches are taken."""
        rows, columns = self.wide[0, 0].any(dim=1).nonzero()[:, 0], self.wide[0, 0].any(dim=0).nonzero()[:, 0]
        size = max(int(rows[-1] - rows[0]), int(columns[-1] - columns[0]))
        height, width = self.source.known.shape[-2:]
        reach = max(REACH, int(SPREAD * size))
        top, bottom = self.box[0] + int(rows[0]) - reach, self.box[0] + int(rows[-1]) + 1 + reach
        left, right = self.box[2] + int(columns[0]) - reach, self.box[2] + int(columns[-1]) + 1 + reach
        # At least the window itself.
        return (
            max(0, min(top, self.box[0])),
            min(height, max(bottom, self.box[1])),
            max(0, min(left, self.box[2])),
            min(width, max(right, self.box[3])),
        )

    def without_wide(self, rim: float) -> Mask:
        """The mask to which wide holes are known, but for their pixels within `rim` pixels of what is known."""
        return Mask(self.keep | (self.wide & (depth(~self.keep[0, 0]) > rim)[None, None]))

    @property
    def has_thin(self) -> bool:
        """Whether there are holes that are not wide."""
        return bool((~self.keep & ~self.wide).any())

    def to(self, device: torch.device) -> Operator:
        return self  # Patches are compared on the CPU; the products of a mask move what they need.

    def crop(self, box: tuple[int, int, int, int]) -> Operator | None:
        top, bottom, left, right = box
        return Holes(self.source, (self.box[0] + top, self.box[0] + bottom, self.box[2] + left, self.box[2] + right))

    def cost(self, settings: Settings) -> Cost:
        """What `filled` takes."""
        if not bool(self.wide.any()):
            return Cost(0.0, 0)
        top, bottom, left, right = self._region()
        known = self.source.known[0, 0, top:bottom, left:right]
        return cost_of(known, self._wanted(), self.source.pixels.shape[1], self.source.lenders, settings)

    def is_enough(self, radius: int) -> bool:
        """Whether enough is known to fill the wide holes from."""
        canvas = Canvas.of(self.source.pixels[0, :1], self.source.known[0, 0], self.source.wide[0, 0], [])
        lent = sum(lender.shape[-2] * lender.shape[-1] for lender in self.source.lenders)
        return len(canvas.sources(radius)) + lent >= max(FEWEST, SHARE * len(canvas.targets(radius)))
