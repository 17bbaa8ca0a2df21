"""The network that weighs how much pixels stand out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.diagnosis.responses import CHANNELS

WIDTHS = (16, 24, 40)
MULTIPLE = 4  # Sides of its pictures are multiples of this.


class ScratchDetector(nn.Module):
    """A small U-Net (Ronneberger et al. 2015, 1505.04597): responses (B, CHANNELS, H, W) to logits (B, 1, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.enter = _block(CHANNELS, first)
        self.down = _block(first, second)
        self.middle = nn.Sequential(_block(second, third), _block(third, third, dilation=2))
        self.up = _block(third + second, second)
        self.leave = _block(second + first, first)
        self.out = nn.Conv2d(first, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.enter(x)
        half = self.down(F.avg_pool2d(fine, 2))
        quarter = self.middle(F.avg_pool2d(half, 2))
        half = self.up(torch.cat([_twice(quarter), half], dim=1))
        logits: Tensor = self.out(self.leave(torch.cat([_twice(half), fine], dim=1)))
        return logits


def _block(inputs: int, outputs: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=dilation, dilation=dilation),
        nn.ReLU(),
    )


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
