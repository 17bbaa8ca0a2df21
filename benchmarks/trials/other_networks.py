"""Networks that the trials compare with the toolkit's own, and `restore` with them among its presets.

    python benchmarks/trials/other_networks.py train FOLDER -o OUT --network nafnet ...

They are here and not in the toolkit because it ships no weights of theirs; docs/reports/trials.md says how they did.
"""

from __future__ import annotations

import sys
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.networks.presets import PRESETS
from restore.networks.residual_unet import NoiseLevel
from restore.priors.loaders.folder import NETWORKS


class ChannelNorm(nn.Module):
    """Layer normalisation over channels, pixel by pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.norm(x.movedim(1, -1))
        return answer.movedim(-1, 1)


class NAFBlock(nn.Module):
    """The block of Chen et al. 2022 (2204.04676, figure 3), its depthwise half given a gain by the noise level."""

    def __init__(self, width: int, level_width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(ChannelNorm(width) for _ in range(2))
        self.spread = nn.Conv2d(width, 2 * width, 1)
        self.depthwise = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)
        self.attention = nn.Conv2d(width, width, 1)
        self.gathered = nn.Conv2d(width, width, 1)
        self.wide, self.narrow = nn.Conv2d(width, 2 * width, 1), nn.Conv2d(width, width, 1)
        self.scales = nn.Parameter(torch.zeros(2, width, 1, 1))
        self.gain = nn.Linear(level_width, width)
        nn.init.zeros_(self.gain.weight)
        nn.init.zeros_(self.gain.bias)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        first, second = self.norms
        inner = first(x) * (1 + self.gain(level)[:, :, None, None])
        inner = _gated(self.depthwise(self.spread(inner)))
        inner = inner * self.attention(inner.mean(dim=(2, 3), keepdim=True))
        x = x + self.scales[0] * self.gathered(inner)
        return x + self.scales[1] * self.narrow(_gated(self.wide(second(x))))


def _gated(x: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=1)
    return first * second


class NAFNet(nn.Module):
    """NAFNet (Chen et al. 2022) told the noise level, on pixel-unshuffled pictures as the toolkit's own network is.

    Args:
        channels: picture channels.
        widths: feature channels of each level, finest first.
        blocks: blocks a level on the way down, and again on the way up.
        patch: pixel-unshuffle factor before the finest level.

    Shape: picture (B, channels, H, W), H and W multiples of `multiple_of`, level (B,) -> (B, channels, H, W).
    """

    conditioning = "c_noise"
    channels_last = True

    def __init__(self, channels: int, widths: list[int], blocks: int, patch: int) -> None:
        super().__init__()
        self.channels, self.patch = channels, patch
        self.multiple_of = patch * 2 ** (len(widths) - 1)
        self.context = 64
        level_width = widths[0]
        self.level = NoiseLevel(level_width)
        self.head = nn.Conv2d(channels * patch**2, widths[0], 3, padding=1)
        self.tail = nn.Conv2d(widths[0], channels * patch**2, 3, padding=1)
        nn.init.zeros_(self.tail.weight)

        def stages(some: list[int]) -> nn.ModuleList:
            return nn.ModuleList(nn.ModuleList(NAFBlock(width, level_width) for _ in range(blocks)) for width in some)

        self.down_blocks, self.up_blocks = stages(widths), stages(widths[-2::-1])
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in pairwise(widths[::-1]))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        level = self.level(level)
        x = self.head(F.pixel_unshuffle(x, self.patch))
        skips = []
        for depth, stage in enumerate(self.down_blocks):
            if depth:
                skips.append(x)
                x = self.down[depth - 1](x)
            x = _through(stage, x, level)
        for up, stage in zip(self.up, self.up_blocks, strict=True):
            x = _through(stage, up(x) + skips.pop(), level)
        return F.pixel_shuffle(self.tail(x), self.patch)


def _through(stage: nn.Module, x: Tensor, level: Tensor) -> Tensor:
    for block in stage.children():
        x = block(x, level)
    return x


# Of about the operations a step of `small`, which has the widths and the patch of both.
NETWORKS["nafnet"] = NAFNet
PRESETS["nafnet"] = {"type": "nafnet", "widths": [32, 64, 128], "blocks": 3, "patch": 2}
PRESETS["unet2d-patches"] = {"type": "unet2d", "widths": [32, 64, 128], "blocks": 1, "attention": [], "patch": 2}


if __name__ == "__main__":
    from restore.cli import main

    sys.exit(main())
