"""The U-Net of Ho et al. 2020 (2006.11239, appendix B), as implemented by diffusers: group normalisation and attention."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel


class UNet2D(nn.Module):
    """diffusers' `UNet2DModel`, built from a few numbers.

    Args:
        channels: picture channels.
        widths: feature channels of each level, finest first; multiples of 8.
        blocks: residual blocks per level.
        attention: levels, counted from the finest (0), that have self-attention.
        patch: pixel-unshuffle factor before the finest level; 2 costs a quarter of 1, and diffusers' pipelines need 1.
        out_channels: output channels, `channels` by default; twice as many for a learned variance.
        classes: number of classes, the one that stands for none included; None for an unconditional network.

    Shape: x (B, channels, H, W), H and W multiples of `multiple_of`, timestep (B,) in 0 to 999 and, with classes, their numbers
    (B,) -> (B, out_channels, H, W).
    """

    conditioning = "timestep"
    channels_last = False  # Group normalisation is slower in this layout on CPUs.

    def __init__(
        self,
        channels: int = 3,
        widths: Sequence[int] = (64, 128, 128),
        blocks: int = 2,
        attention: Sequence[int] = (2,),
        patch: int = 1,
        out_channels: int | None = None,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Importing diffusers raises deprecation warnings of its dependencies.
            from diffusers import UNet2DModel

        levels = range(len(widths))
        self.channels, self.patch = channels, patch
        self.multiple_of = patch * 2 ** (len(widths) - 1)
        self.context = 64
        make: Any = UNet2DModel
        self.network = make(
            in_channels=channels * patch**2,
            out_channels=(out_channels or channels) * patch**2,
            block_out_channels=tuple(widths),
            layers_per_block=blocks,
            down_block_types=tuple("AttnDownBlock2D" if level in attention else "DownBlock2D" for level in levels),
            up_block_types=tuple("AttnUpBlock2D" if level in attention else "UpBlock2D" for level in reversed(levels)),
            norm_num_groups=8,
            attention_head_dim=min(32, *widths),
            num_class_embeds=classes,
        )

    def forward(self, x: Tensor, time: Tensor, class_labels: Tensor | None = None) -> Tensor:
        shuffled = F.pixel_unshuffle(x, self.patch) if self.patch > 1 else x
        if x.device.type == "cpu":
            # On CPUs the gradient of fused attention takes ten times as long as that of the plain one (torch 2.13).
            with sdpa_kernel(SDPBackend.MATH):
                output: Tensor = self.network(shuffled, time, class_labels).sample
        else:
            output = self.network(shuffled, time, class_labels).sample
        return F.pixel_shuffle(output, self.patch) if self.patch > 1 else output
