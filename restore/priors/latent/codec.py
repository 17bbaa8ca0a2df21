"""Codecs: the space that a prior lives in, and the way from pictures to it and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional as F

from restore.errors import PriorError
from restore.priors.latent.decoded import Decoded
from restore.problem import Problem


class Codec(ABC):
    """Latents z = E(x) and pictures x = G(z), such as an autoencoder's (Rombach et al. 2022, 2112.10752, section 3.1).

    Latents are scaled and shifted as the prior was trained on them. A subclass implements `_encode` and `_decode` for sizes
    that cells fill; this class pads and crops. Both are differentiable.

    Args:
        channels: of latents.
        picture_channels: of pictures.
        factor: pixels along a side of one cell of latents.
    """

    def __init__(self, channels: int, picture_channels: int = 3, factor: int = 1) -> None:
        self.channels, self.picture_channels, self.factor = channels, picture_channels, factor

    @abstractmethod
    def _encode(self, x: Tensor) -> Tensor:
        """z (B, channels, H / factor, W / factor) of pictures (B, picture_channels, H, W) in [-1, 1]."""

    @abstractmethod
    def _decode(self, z: Tensor) -> Tensor:
        """x (B, picture_channels, H, W) of latents (B, channels, H / factor, W / factor)."""

    def encode(self, x: Tensor) -> Tensor:
        """z (B, channels, h, w) of pictures (B, picture_channels, H, W) of any size; the last cells reach over the picture."""
        bottom, right = -x.shape[-2] % self.factor, -x.shape[-1] % self.factor
        if bottom or right:
            reflects = bottom < x.shape[-2] and right < x.shape[-1]
            x = F.pad(x, (0, right, 0, bottom), mode="reflect" if reflects else "replicate")
        return self._encode(x)

    def decode(self, z: Tensor, size: tuple[int, int]) -> Tensor:
        """x (B, picture_channels, H, W) of latents (B, channels, h, w), cut to `size`, (H, W)."""
        return self._decode(z)[..., : size[0], : size[1]]

    def cells(self, height: int, width: int) -> tuple[int, int]:
        """(h, w) of the latents of a picture."""
        return -(-height // self.factor), -(-width // self.factor)

    def enter(self, problem: Problem) -> Problem:
        """The problem as one for latents: the same measurement, of a decoded picture.

        Raises: PriorError for a picture smaller than a cell, or of another number of channels.
        """
        height, width = problem.shape[-2:]
        if min(height, width) < self.factor:
            raise PriorError(
                f"this prior works on cells of {self.factor}x{self.factor} pixels, and the picture has {width}x{height}; "
                "give a larger one, or a prior that works on pixels"
            )
        if problem.shape[1] != self.picture_channels:
            raise PriorError(
                f"the prior takes pictures of {self.picture_channels} channel(s), the problem has {problem.shape[1]}"
            )
        operator = Decoded(problem.operator, self, (height, width))
        start = None if problem.start is None else self.encode(problem.start)
        return replace(
            problem, operator=operator, shape=(problem.shape[0], self.channels, *self.cells(height, width)), start=start
        )

    def gray(self) -> Codec:
        """The codec for pictures of one channel. Raises PriorError unless there is one."""
        if self.picture_channels == 1:
            return self
        if self.picture_channels != 3:
            raise PriorError(f"a gray view needs a prior of pictures of 3 channels, got {self.picture_channels}")
        return GrayCodec(self)

    def stand_in(self) -> Codec:
        """A codec of the same shapes without a network, to count a method's calls."""
        return Blocks(self.channels, self.picture_channels, self.factor)

    def modules(self) -> tuple[nn.Module, ...]:
        """Its networks, which move with the prior and count for its hash."""
        return ()


class Pixels(Codec):
    """Pictures themselves: the space of all priors that have no codec."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def _encode(self, x: Tensor) -> Tensor:
        return x

    def _decode(self, z: Tensor) -> Tensor:
        return z

    def enter(self, problem: Problem) -> Problem:
        return problem


class GrayCodec(Codec):
    """Gray pictures as colour pictures of three equal channels; decoded ones are averaged over channels."""

    def __init__(self, codec: Codec) -> None:
        super().__init__(codec.channels, 1, codec.factor)
        self.codec = codec

    def _encode(self, x: Tensor) -> Tensor:
        return self.codec._encode(x.expand(-1, 3, -1, -1))

    def _decode(self, z: Tensor) -> Tensor:
        return self.codec._decode(z).mean(dim=1, keepdim=True)

    def modules(self) -> tuple[nn.Module, ...]:
        return self.codec.modules()


class Blocks(Codec):
    """Cells of one colour: each latent is a block's mean, repeated or left out where channels are fewer."""

    def _encode(self, x: Tensor) -> Tensor:
        return _channels(F.avg_pool2d(x, self.factor), self.channels)

    def _decode(self, z: Tensor) -> Tensor:
        return F.interpolate(_channels(z, self.picture_channels), scale_factor=self.factor, mode="nearest")


def _channels(x: Tensor, count: int) -> Tensor:
    return x[:, [index % x.shape[1] for index in range(count)]]
