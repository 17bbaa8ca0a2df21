"""A residual U-Net whose noise level sets per-channel gains, bias-free by default.

Without biases the network is positively homogeneous in x: F(a x, c) = a F(x, c) for a > 0. Such networks generalise across
noise levels (Mohan et al. 2020, 1906.05478) and need no normalisation layers. ReLU and 3x3 convolutions on pixel-unshuffled
input are fast on CPUs; DRUNet (Zhang et al. 2021, 2008.13751) has the same layout.

With `cascade` it answers for the picture at half size first, and is shown that answer beside the picture: one network of the
same weights looks three times as far, for a quarter more work (docs/reports/photo-prior.md has what it gains).

With biases the network is no longer homogeneous. Biases and zero padding together encode the position in the picture, which a
model needs to sample whole pictures of one size.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.errors import PriorError

HALF = math.log(2) / 4
"""What c_noise = log(sigma) / 4 loses at half size: means of four pixels have half the noise."""


class NoiseLevel(nn.Module):
    """Fourier features of c_noise, then a small MLP: (B,) -> (B, width). Classes have an embedding, added inside.

    Args:
        width: of the answer.
        classes: their number; None for a network without.
    """

    def __init__(self, width: int, classes: int | None = None) -> None:
        super().__init__()
        self.frequencies: Tensor
        self.register_buffer("frequencies", torch.exp(torch.linspace(-1.5, 2.5, 16)), persistent=False)
        self.first = nn.Linear(32, width)
        self.second = nn.Linear(width, width)
        self.classes = None if classes is None else nn.Embedding(classes, width)

    def forward(self, level: Tensor, class_labels: Tensor | None = None) -> Tensor:
        if (class_labels is None) != (self.classes is None):
            raise PriorError("a network with classes must be told one, and another has none")
        angles = level[:, None] * self.frequencies
        inner = self.second(F.relu(self.first(torch.cat([angles.sin(), angles.cos()], dim=1))))
        return F.relu(inner if self.classes is None else inner + self.classes(class_labels))


class Block(nn.Module):
    """x + conv(gain * relu(conv(x) + shift)); gain and shift (with `constants`) are linear in the noise embedding."""

    def __init__(self, width: int, level_width: int, constants: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=constants)
        self.gain = nn.Linear(level_width, width)
        self.shift = nn.Linear(level_width, width) if constants else None
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.second.weight, nonlinearity="linear")
        self.second.weight.data.mul_(0.2)  # Start close to the identity: residual branches add up.
        nn.init.zeros_(self.gain.weight)
        nn.init.zeros_(self.gain.bias)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        with _full_precision(x.device):
            gain = (1 + self.gain(level)).to(x.dtype)[:, :, None, None]
        # The output of the first convolution is not kept in a variable, so that a CPU reuses its memory while it is cached.
        return x + self.second(F.relu(self._shifted(x, level)) * gain)

    def _shifted(self, x: Tensor, level: Tensor) -> Tensor:
        inner: Tensor = self.first(x)
        if self.shift is None:
            return inner
        with _full_precision(x.device):
            return inner + self.shift(level).to(inner.dtype)[:, :, None, None]


class ResidualUNet(nn.Module):
    """Residual U-Net on pixel-unshuffled pictures.

    Args:
        channels: picture channels, 1 or 3.
        widths: feature channels of each level, finest first.
        blocks: residual blocks per level, in the encoder and again in the decoder; one number for all levels, or one each.
        patch: pixel-unshuffle factor before the finest level.
        constants: convolutions have biases.
        out_channels: output channels, `channels` by default; twice as many for a learned variance.
        classes: number of classes, the one that stands for none included; None for an unconditional network.
        cascade: answer at half size first, and take that answer in beside the picture; `out_channels` is `channels` then.

    Shape: x (B, channels, H, W) with H and W multiples of `multiple_of`, c_noise (B,) and, with classes, their numbers (B,) ->
    (B, out_channels, H, W).

    Raises: ValueError if `blocks` does not give one positive number for each level, or a cascade has other `out_channels`.
    """

    conditioning = "c_noise"
    channels_last = True
    convolutional = True  # The memory of an evaluation is linear in the number of pixels.

    def __init__(
        self,
        channels: int = 3,
        widths: tuple[int, ...] = (64, 128, 256),
        blocks: int | Sequence[int] = 2,
        patch: int = 2,
        constants: bool = False,
        out_channels: int | None = None,
        classes: int | None = None,
        cascade: bool = False,
    ) -> None:
        super().__init__()
        if cascade and out_channels not in (None, channels):
            raise ValueError(f"a cascade answers with the {channels} channels that it is given, not {out_channels}")
        self.channels, self.patch, self.cascade = channels, patch, cascade
        self.multiple_of = patch * 2 ** (len(widths) - 1 + cascade)
        counts = [blocks] * len(widths) if isinstance(blocks, int) else list(blocks)
        if len(counts) != len(widths) or min(counts) < 1:
            raise ValueError(f"blocks takes one positive count for each of {len(widths)} levels, got {blocks}")
        context = _receptive_field(counts, patch)
        # At half size it looks twice as far, and bilinear interpolation mixes neighbours.
        self.context = context + 2 * context + 4 if cascade else context
        level_width = widths[0]
        self.level = NoiseLevel(level_width, classes)
        self.head = nn.Conv2d((1 + cascade) * channels * patch**2, widths[0], 3, padding=1, bias=constants)
        self.tail = nn.Conv2d(widths[0], (out_channels or channels) * patch**2, 3, padding=1, bias=constants)
        nn.init.zeros_(self.tail.weight)
        if self.tail.bias is not None:
            nn.init.zeros_(self.tail.bias)

        def stages(depths: Iterable[int]) -> nn.ModuleList:
            return nn.ModuleList(
                nn.ModuleList(Block(widths[depth], level_width, constants) for _ in range(counts[depth])) for depth in depths
            )

        fine_to_coarse = list(itertools.pairwise(widths))
        self.down_blocks = stages(range(len(widths)))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2, bias=constants) for a, b in fine_to_coarse)
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2, bias=constants) for a, b in reversed(fine_to_coarse))
        self.up_blocks = stages(reversed(range(len(widths) - 1)))

    def forward(self, x: Tensor, level: Tensor, class_labels: Tensor | None = None) -> Tensor:
        if not self.cascade:
            return self._answer(x, level, class_labels)
        half = F.avg_pool2d(x, 2)
        coarse = self._answer(torch.cat([half, torch.zeros_like(half)], dim=1), level - HALF, class_labels)
        shown = F.interpolate(coarse, scale_factor=2, mode="bilinear").to(x.dtype)
        return self._answer(torch.cat([x, shown], dim=1), level, class_labels)

    def _answer(self, x: Tensor, level: Tensor, class_labels: Tensor | None) -> Tensor:
        with _full_precision(x.device):
            level = self.level(level, class_labels)
        x = self.head(F.pixel_unshuffle(x, self.patch))
        skips = []
        for depth, stage in enumerate(_stages(self.down_blocks)):
            if depth:
                skips.append(x)
                x = self.down[depth - 1](x)
            for block in stage:
                x = block(x, level)
        for up, stage in zip(self.up, _stages(self.up_blocks), strict=True):
            x = up(x) + skips.pop()
            for block in stage:
                x = block(x, level)
        return F.pixel_shuffle(self.tail(x), self.patch)


def _receptive_field(blocks: Sequence[int], patch: int) -> int:
    """Radius in pixels: how far to each side one output pixel depends on the input."""
    # A 3x3 convolution at stride r adds r. A block has two; every level but the coarsest has encoder and decoder blocks.
    strides = [patch * 2**level for level in range(len(blocks))]
    convolutions = [4 * count for count in blocks[:-1]] + [2 * blocks[-1]]
    return sum(stride * count for stride, count in zip(strides, convolutions, strict=True)) + 2 * patch + strides[-1]


def _full_precision(device: torch.device) -> AbstractContextManager[object]:
    """A context without autocast, for gains and constants: rounded to bfloat16 they would shift the mean colour."""
    if not torch.amp.is_autocast_available(device.type):  # The meta device has none.
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def _stages(modules: nn.ModuleList) -> list[list[nn.Module]]:
    return [list(stage.children()) for stage in modules]
