"""The nearest known patch of every patch that a hole touches: all compared, or found by chance and from neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from restore.exemplars.canvas import Canvas, distances, patches

BLOCK = 2**23  # Distances that are held at once, 32 MB.


@dataclass(frozen=True)
class Field:
    """The nearest-neighbour field of a canvas.

    Attributes:
        targets, sources: (N,) flat indices of the centres of patches, and of the patches that are taken for them.
        distance: (N,) squared distances of the two.
    """

    targets: Tensor
    sources: Tensor
    distance: Tensor


def exact(canvas: Canvas, targets: Tensor, sources: Tensor, radius: int, penalty: Tensor | None = None) -> Field:
    """The nearest of the sources (M,) for each target (N,), by |t|^2 - 2 t's + |s|^2: one matrix product.

    Args:
        penalty: (M,), added to squared distances.
    """
    known = patches(canvas.pixels, sources, radius)
    length = known.square().sum(dim=1)
    cost, across = (length if penalty is None else length + penalty)[None], known.T.contiguous()
    rows = max(1, BLOCK // len(sources))
    block = torch.empty(min(rows, len(targets)), len(sources))
    best = []
    for some in targets.split(rows):
        wanted = patches(canvas.pixels, some, radius)
        best.append(torch.addmm(cost, wanted, across, alpha=-2, out=block[: len(some)]).argmin(dim=1))
    found = sources[torch.cat(best)]
    return Field(targets, found, distances(canvas.pixels, targets, found, radius))


@dataclass(frozen=True)
class RandomSearch:
    """PatchMatch (Barnes et al. 2009) for all patches at once: what neighbours found, moved along, and random draws.

    Neighbours at several distances take part, as in jump flooding, since all patches move together. Its memory is that of
    the picture.

    Attributes:
        rounds: of propagation and random draws.
        jumps: distances in pixels of the neighbours that are asked.
        narrowest: draws lie within the whole canvas first, then within half of the last, down to so many pixels.
    """

    rounds: int = 1
    jumps: tuple[int, ...] = (8, 4, 2, 1)
    narrowest: int = 2

    def candidates(self, side: int) -> int:
        """How many a patch is offered, on a canvas of this longer side."""
        return self.rounds * (4 * len(self.jumps) + int(math.log2(max(1.0, side / self.narrowest))) + 1)

    def __call__(self, canvas: Canvas, start: Field, valid: Tensor, radius: int, random: torch.Generator) -> Field:
        """The field, improved from `start`, whose sources must be valid.

        Args:
            valid: bool (H W,), true at the centres of whole known patches.
        """
        targets, width = start.targets, canvas.width
        best, cost = start.sources.clone(), distances(canvas.pixels, start.targets, start.sources, radius)
        number = torch.full((len(valid),), -1, dtype=torch.long)
        number[targets] = torch.arange(len(targets))
        here = torch.stack([targets // width, targets % width])

        def offer(candidates: Tensor, who: Tensor) -> None:
            """Takes sources (K,) for the targets of numbers (K,) where they are nearer."""
            inside = (candidates >= 0) & (candidates < len(valid))
            allowed = inside & valid[candidates.clamp(0, len(valid) - 1)] & (candidates != best[who])
            candidates, who = candidates[allowed], who[allowed]
            if len(who) == 0:
                return
            found = distances(canvas.pixels, targets[who], candidates, radius)
            nearer = found < cost[who]
            best[who[nearer]], cost[who[nearer]] = candidates[nearer], found[nearer]

        everyone = torch.arange(len(targets))
        for _ in range(self.rounds):
            for jump in self.jumps:
                for down, right in ((jump, 0), (-jump, 0), (0, jump), (0, -jump)):
                    row, column = here[0] + down, here[1] + right
                    there = (row >= 0) & (row < len(canvas.pixels)) & (column >= 0) & (column < width)
                    beside = torch.where(there, number[(row * width + column).clamp(0, len(valid) - 1)], -1)
                    who = everyone[beside >= 0]
                    offer(best[beside[who]] - (down * width + right), who)
            reach = max(len(canvas.pixels), width)
            while reach >= self.narrowest:
                away = torch.randint(-reach, reach + 1, (2, len(targets)), generator=random)
                row = (best // width + away[0]).clamp(0, len(canvas.pixels) - 1)
                column = (best % width + away[1]).clamp(0, width - 1)
                offer(row * width + column, everyone)
                reach //= 2
        return Field(targets, best, cost)


def finer(field: Field, coarse: Canvas, canvas: Canvas, targets: Tensor, valid: Tensor, random: torch.Generator) -> Field:
    """The field of a canvas of half the size, for this one's targets; sources that are not whole here are drawn anew."""
    row, column = targets // canvas.width, targets % canvas.width
    parents = torch.full((coarse.known.numel(),), -1, dtype=torch.long)
    parents[field.targets] = torch.arange(len(field.targets))
    rows, columns = field.targets // coarse.width, field.targets % coarse.width
    low, high = (int(rows.min()), int(columns.min())), (int(rows.max()), int(columns.max()))
    parent = parents[(row // 2).clamp(low[0], high[0]) * coarse.width + (column // 2).clamp(low[1], high[1])]
    whole = valid.nonzero()[:, 0]
    drawn = whole[torch.randint(len(whole), (len(targets),), generator=random)]
    source = field.sources[parent.clamp_min(0)]
    taken = (2 * (source // coarse.width) + row % 2) * canvas.width + 2 * (source % coarse.width) + column % 2
    fits = (parent >= 0) & (taken < len(valid)) & valid[taken.clamp_max(len(valid) - 1)]
    return Field(targets, torch.where(fits, taken, drawn), field.distance[parent.clamp_min(0)])
