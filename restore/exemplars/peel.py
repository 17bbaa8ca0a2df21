"""A first guess for the coarsest size: holes are filled from the rim inwards, one layer of pixels after the other."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.exemplars.canvas import Canvas, patches


def peeled(canvas: Canvas, sources: Tensor, radius: int, penalty: Tensor | None = None) -> Canvas:
    """The canvas with its wanted pixels filled from outside (Newson et al. 2014, "Video inpainting of complex scenes", 3.5).

    A smooth guess has the nearest patches in what is smooth, which later rounds do not leave any more. Here patches are
    compared by the pixels that are known or filled already, and vote for the next layer.

    Args:
        sources: (M,) flat indices of the centres of whole known patches.
        penalty: (M,), added to the mean squared difference of patches.
    """
    height, width = canvas.known.shape
    lent = patches(canvas.pixels, sources, radius)
    channels = canvas.pixels.shape[2]
    pixels, filled = canvas.pixels.clone(), canvas.known.clone()
    while bool((canvas.wanted & ~filled).any()):
        edge = (F.max_pool2d(filled.float()[None, None], 3, stride=1, padding=1)[0, 0] > 0) & canvas.wanted & ~filled
        # Patches that have most of what is filled: those that are centred on the layer, moved into the picture at its border.
        rows, columns = edge.nonzero().T
        rows, columns = rows.clamp(radius, canvas.height - 1 - radius), columns.clamp(radius, width - 1 - radius)
        some = torch.unique(rows * width + columns)
        if len(some) == 0:
            break
        seen = patches(filled.float()[..., None].expand(-1, -1, channels).contiguous(), some, radius)
        shown = patches(pixels, some, radius) * seen
        size = seen.sum(dim=1, keepdim=True).clamp_min(1)
        cost = (seen @ lent.square().T - 2 * shown @ lent.T + shown.square().sum(dim=1, keepdim=True)) / size
        best = sources[(cost if penalty is None else cost + penalty).argmin(dim=1)]
        sums, total = torch.zeros(height * width, channels), torch.zeros(height * width)
        for down in range(-radius, radius + 1):
            for right in range(-radius, radius + 1):
                step = down * width + right
                weight = 0.5 ** (abs(down) + abs(right))
                sums.index_add_(0, some + step, pixels.view(-1, channels)[best + step] * weight)
                total.index_add_(0, some + step, torch.full((len(some),), weight))
        mean = (sums / total.clamp_min(1e-20)[:, None]).view_as(pixels)
        now = edge & (total > 0).view(height, width)
        if not bool(now.any()):
            break
        pixels, filled = mean.where(now[..., None], pixels).contiguous(), filled | now
    return canvas.with_pixels(pixels)
