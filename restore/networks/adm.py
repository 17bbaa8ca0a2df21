"""The U-Net of Dhariwal & Nichol 2021 (2105.05233, section 3): adaptive group normalization, multi-head attention at chosen
resolutions, and residual blocks that resample.

Modules have the names of guided-diffusion's, so that its checkpoints load unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.errors import PriorError

GROUPS = 32


class ADM(nn.Module):
    """The U-Net of guided-diffusion.

    Shape: x_t (B, channels, H, W), the timestep t (B,) and, with classes, their numbers (B,) -> (B, channels, H, W), or
    (B, 2 channels, H, W) with a learned variance.

    Args:
        channels: of the picture.
        widths: feature channels of each level, finest first, multiples of 32; each level halves the resolution.
        time_width: width of the sinusoidal timestep embedding; the MLP after it is four times as wide.
        blocks: residual blocks per level of the encoder; the decoder has one more per level.
        attention: levels, 0 the finest, whose blocks are followed by attention. The middle block always has attention.
        head_channels: feature channels per attention head; ignored if `heads` gives the number of heads.
        heads: attention heads per layer.
        resample_blocks: residual blocks change the resolution (pooling down, nearest neighbour up), rather than convolutions.
        scale_shift: the timestep embedding scales and shifts the second normalization (adaptive group normalization), rather
            than being added before it.
        learned_variance: the output has a second half, from which the variance of the reverse step follows.
        classes: number of classes; None for an unconditional network.

    Attributes:
        multiple_of: H and W must be multiples of it.

    Raises: PriorError for feature channels that groups or heads do not divide.
    """

    conditioning = "timestep"
    channels_last = False  # Group normalisation and attention are slower in this layout on CPUs.

    def __init__(
        self,
        *,
        channels: int = 3,
        widths: Sequence[int] = (128, 256, 384, 512),
        time_width: int = 128,
        blocks: int = 2,
        attention: Collection[int] = (),
        head_channels: int = 64,
        heads: int | None = None,
        resample_blocks: bool = True,
        scale_shift: bool = True,
        learned_variance: bool = True,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        if any(width % GROUPS for width in widths):
            raise PriorError(f"group normalization needs widths that are multiples of {GROUPS}, got {tuple(widths)}")
        self.channels, self.time_width = channels, time_width
        self.multiple_of = 2 ** (len(widths) - 1)
        # With attention the receptive field is the whole picture. In training the coarsest level is 8 pixels wide; half of
        # that is context enough.
        self.context = max(64, 8 * self.multiple_of // 2)
        embedding = 4 * time_width
        self.time_embed = nn.Sequential(nn.Linear(time_width, embedding), nn.SiLU(), nn.Linear(embedding, embedding))

        if classes is not None:
            self.label_emb = nn.Embedding(classes, embedding)
        self.classes = classes

        def block(before: int, after: int, resample: str = "") -> ResidualBlock:
            return ResidualBlock(before, after, embedding, scale_shift=scale_shift, resample=resample)

        def attend(features: int) -> Attention:
            return Attention(features, features // heads if heads else head_channels)

        def stage(before: int, after: int, level: int) -> list[nn.Module]:
            attentions = [attend(after)] if level in attention else []
            return [block(before, after), *attentions]

        def resample(features: int, kind: str) -> nn.Module:
            if resample_blocks:
                return block(features, features, kind)
            return Downsample(features) if kind == "down" else Upsample(features)

        features = widths[0]
        down: list[Stage] = [Stage(nn.Conv2d(channels, features, 3, padding=1))]
        skips = [features]
        for level, width in enumerate(widths):
            for _ in range(blocks):
                down.append(Stage(*stage(features, width, level)))
                features = width
                skips.append(features)
            if level < len(widths) - 1:
                down.append(Stage(resample(features, "down")))
                skips.append(features)
        self.input_blocks = nn.ModuleList(down)
        self.middle_block = Stage(block(features, features), attend(features), block(features, features))
        up: list[Stage] = []
        for level, width in reversed(list(enumerate(widths))):
            for index in range(blocks + 1):
                parts = stage(features + skips.pop(), width, level)
                features = width
                up.append(Stage(*parts, *([resample(features, "up")] if level and index == blocks else [])))
        self.output_blocks = nn.ModuleList(up)
        outputs = 2 * channels if learned_variance else channels
        self.out = nn.Sequential(nn.GroupNorm(GROUPS, features), nn.SiLU(), nn.Conv2d(features, outputs, 3, padding=1))

    def forward(self, x: Tensor, time: Tensor, class_labels: Tensor | None = None) -> Tensor:
        embedding = self.time_embed(timestep_embedding(time, self.time_width).to(x.dtype))
        if (class_labels is None) != (self.classes is None):
            raise PriorError("a network with classes must be told one, and another has none")
        if class_labels is not None:
            embedding = embedding + self.label_emb(class_labels)
        skips = []
        for stage in self.input_blocks:
            x = stage(x, embedding)
            skips.append(x)
        x = self.middle_block(x, embedding)
        for stage in self.output_blocks:
            x = stage(torch.cat([x, skips.pop()], dim=1), embedding)
        output: Tensor = self.out(x)
        return output


class Stage(nn.Sequential):
    """Modules in sequence; residual blocks also get the timestep embedding."""

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:  # type: ignore[override]  # Sequential takes one input.
        for module in self:
            x = module(x, embedding) if isinstance(module, ResidualBlock) else module(x)
        return x


class ResidualBlock(nn.Module):
    """skip(x) + conv(silu(norm(h) (1 + scale) + shift)) with h = conv(silu(norm(x))); `resample` applies to both branches.

    Shape: (B, before, H, W) and (B, embedding) -> (B, after, H', W').
    """

    def __init__(self, before: int, after: int, embedding: int, *, scale_shift: bool, resample: str = "") -> None:
        super().__init__()
        self.scale_shift, self.resample = scale_shift, resample
        self.in_layers = nn.Sequential(nn.GroupNorm(GROUPS, before), nn.SiLU(), nn.Conv2d(before, after, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, 2 * after if scale_shift else after))
        # nn.Identity is where dropout was in training; it keeps the index of the convolution.
        self.out_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, after), nn.SiLU(), nn.Identity(), nn.Conv2d(after, after, 3, padding=1)
        )
        self.skip_connection = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        norm, activation, convolution = self.in_layers
        h = convolution(self._resampled(activation(norm(x))))
        time = self.emb_layers(embedding)[:, :, None, None]
        norm, *rest = self.out_layers
        if self.scale_shift:
            scale, shift = time.chunk(2, dim=1)
            h = norm(h) * (1 + scale) + shift
        else:
            h = norm(h + time)
        for module in rest:
            h = module(h)
        output: Tensor = self.skip_connection(self._resampled(x)) + h
        return output

    def _resampled(self, x: Tensor) -> Tensor:
        if self.resample == "down":
            return F.avg_pool2d(x, 2)
        return F.interpolate(x, scale_factor=2.0, mode="nearest") if self.resample == "up" else x


class Attention(nn.Module):
    """x + projection of multi-head self-attention over all pixels. In `qkv`, the channels of one head are contiguous."""

    def __init__(self, features: int, head_channels: int) -> None:
        super().__init__()
        if features % head_channels:
            raise PriorError(f"heads of {head_channels} channels do not divide {features} feature channels")
        self.heads = features // head_channels
        self.norm = nn.GroupNorm(GROUPS, features)
        self.qkv = nn.Conv1d(features, 3 * features, 1)
        self.proj_out = nn.Conv1d(features, features, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, features, height, width = x.shape
        flat = x.flatten(2)
        parts = self.qkv(self.norm(flat)).reshape(batch, self.heads, -1, height * width).transpose(2, 3)
        query, key, value = parts.chunk(3, dim=3)
        attended = F.scaled_dot_product_attention(query, key, value)
        output: Tensor = flat + self.proj_out(attended.transpose(2, 3).reshape(batch, features, -1))
        return output.reshape(x.shape)


class Downsample(nn.Module):
    """A convolution of stride 2."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(features, features, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.op(x)
        return output


class Upsample(nn.Module):
    """Nearest-neighbour interpolation by 2, then a convolution."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return output


def timestep_embedding(time: Tensor, width: int) -> Tensor:
    """Cosines and sines of t at frequencies 10000^(-i / half), i < half = width // 2; (B,) -> (B, width), float32."""
    half = width // 2
    frequencies = torch.exp(torch.arange(half, device=time.device) * (-math.log(10000.0) / half))
    angles = time.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)
