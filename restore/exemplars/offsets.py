"""Statistics of offsets: by which steps a picture repeats itself (He & Sun 2012, "Statistics of patch offsets")."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.exemplars.canvas import Canvas, patches

ASKED = 2000  # Known patches whose likes are looked for.
ROWS = 256  # Of them at once.
FARTHER = 15  # The share of the longer side up to which a patch is like another because it overlaps or touches it: 1 / 15.
BLUR = 1.4  # Standard deviation in pixels of the histogram's smoothing.
DOMINANT = 60  # Cells of the smoothed histogram that count as fully common.


def popularity(canvas: Canvas, targets: Tensor, sources: Tensor, radius: int) -> Tensor:
    """How common the offset from each target (N,) to each source (M,) is among the known patches themselves: (N, M) in [0, 1].

    Each known patch has an offset to the one most like it that is not close by. A few offsets, and their opposites, are those
    of many patches: the periods of what repeats, the directions of what is long. 1 is for the commonest.
    """
    height, width = canvas.known.shape
    row, column = sources // width, sources % width
    asked = torch.arange(0, len(sources), max(1, len(sources) // ASKED))
    every = patches(canvas.pixels, sources, radius)
    length, near = every.square().sum(dim=1), (max(height, width) / FARTHER) ** 2
    counts = torch.zeros(2 * height + 1, 2 * width + 1)
    for some in asked.split(ROWS):
        apart = (row[some, None] - row).square() + (column[some, None] - column).square()
        cost = length - 2 * every[some] @ every.T
        like = cost.masked_fill(apart < near, torch.inf).argmin(dim=1)
        place = (row[like] - row[some] + height, column[like] - column[some] + width)
        counts.index_put_(place, torch.ones(len(like)), accumulate=True)
    counts = _smoothed(counts + counts.flip(0, 1))
    least = counts.flatten().topk(DOMINANT + 1).values[-1]
    share = (counts / least.clamp_min(1e-12)).clamp(max=1)
    down = row - (targets // width)[:, None] + height
    right = column - (targets % width)[:, None] + width
    return share[down, right]


def _smoothed(counts: Tensor) -> Tensor:
    steps = torch.arange(-3, 4, dtype=counts.dtype)
    weight = torch.exp(-steps.square() / (2 * BLUR**2))
    kernel = weight[:, None] * weight / weight.sum() ** 2
    return F.conv2d(counts[None, None], kernel[None, None], padding=3)[0, 0]
