"""Codecs of diffusers: variational, quantised and deep-compression autoencoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from restore.priors.latent.codec import Codec
from restore.priors.loaders.pipelines.parts import Parts

CODECS = ("AutoencoderKL", "VQModel", "AutoencoderDC", "AutoencoderTiny")
WHOLE = 128  # Cells a side up to which latents are decoded whole; larger ones in blended tiles of diffusers' own.


class DiffusersCodec(Codec):
    """z = (E(x) - shift) scale and x = G(z / scale + shift), with E the mean of the encoder's distribution if it has one.

    Always float32: in half precision some decoders overflow.

    Args:
        network: of diffusers.
        channels: of latents.
        factor: pixels along a side of a cell.
        scale, shift: of latents, of all or of each channel; by default those of the network's config, as most pipelines use
            them.
    """

    def __init__(
        self,
        network: Any,
        channels: int,
        factor: int,
        *,
        scale: float | Sequence[float] | None = None,
        shift: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__(channels, network.config.in_channels, factor)
        config = network.config
        self.network: Any = network
        self.scale = _by_channel(getattr(config, "scaling_factor", None) or 1.0 if scale is None else scale)
        self.shift = _by_channel(getattr(config, "shift_factor", None) or 0.0 if shift is None else shift)
        if hasattr(network, "tile_latent_min_size") and hasattr(network, "enable_tiling"):
            network.enable_tiling()
            network.tile_sample_min_size, network.tile_latent_min_size = WHOLE * factor, WHOLE

    def _encode(self, x: Tensor) -> Tensor:
        found = self.network.encode(self._moved(x))
        if hasattr(found, "latent_dist"):
            latents = found.latent_dist.mode()
        else:
            latents = found.latents if hasattr(found, "latents") else found.latent
        return ((latents - self.shift.to(latents)) * self.scale.to(latents)).to(x)

    def _decode(self, z: Tensor) -> Tensor:
        moved = self._moved(z)
        decoded: Tensor = self.network.decode(moved / self.scale.to(moved) + self.shift.to(moved)).sample
        return decoded.to(z.dtype)

    def _moved(self, x: Tensor) -> Tensor:
        weights = next(self.network.parameters())
        return x.to(weights.device, weights.dtype)

    def modules(self) -> tuple[nn.Module, ...]:
        return (self.network,)


def _by_channel(values: float | Sequence[float]) -> Tensor:
    """(C, 1, 1), or () for one value."""
    told = torch.tensor(values)
    return told[:, None, None] if told.ndim else told


def codec_of(parts: Parts, name: str = "vae", **settings: Any) -> DiffusersCodec:
    """The codec of a pipeline. Raises PriorError if it is missing, damaged or of an unknown class."""
    network = parts.network(name, *CODECS, dtype=torch.float32)
    config = network.config
    if type(network).__name__ == "AutoencoderDC":
        stages = config.encoder_block_out_channels
    else:
        stages = config.block_out_channels if hasattr(config, "block_out_channels") else config.decoder_block_out_channels
    return DiffusersCodec(network, config.latent_channels, 2 ** (len(stages) - 1), **settings)
