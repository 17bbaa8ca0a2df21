"""How strongly brightness varies around a pixel, as two more channels by which patches are compared."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

CHANNELS = 2


def with_texture(picture: Tensor, known: Tensor, weight: float) -> Tensor:
    """A picture (C, H, W) with two more channels: `weight` times the mean absolute differences of neighbours, across and down.

    At coarse sizes a texture is as flat as a plain area of its mean colour, and patches of the one are taken for the other.
    These channels are made at the full size and reduced with the picture, so they tell the two apart (Newson et al. 2014,
    "Video inpainting of complex scenes", section 3.3). They are means over 3 x 3 pixels and all colours.

    Args:
        known: bool (H, W); other pixels are not looked at, and get 0 where there is none known beside them.
    """
    across = _mean_difference(picture, known)
    down = _mean_difference(picture.mT, known.mT).mT
    return torch.cat([picture, weight * torch.stack([across, down])])


def _mean_difference(picture: Tensor, known: Tensor) -> Tensor:
    """Mean absolute differences (H, W) of pixels side by side."""
    both = (known[:, 1:] & known[:, :-1]).float()
    difference = (picture[:, :, 1:] - picture[:, :, :-1]).abs().mean(dim=0) * both
    sums, count = (F.avg_pool2d(F.pad(x, (0, 1, 0, 0))[None, None], 3, 1, 1)[0, 0] for x in (difference, both))
    return sums / count.clamp_min(1e-6)
