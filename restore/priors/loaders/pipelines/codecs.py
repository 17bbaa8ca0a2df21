"""Codecs of diffusers: variational, quantised and deep-compression autoencoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from restore.priors.latent.codec import Codec
from restore.priors.loaders.fields import Listed, Number, check_fields, optional
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
        by_channel: whether latents_mean and latents_std of the config, if it has them, shift and scale each channel, as in the
            pipelines of XL; the shift is then the mean.
    """

    def __init__(
        self,
        network: Any,
        channels: int,
        factor: int,
        *,
        scale: float | Sequence[float] | None = None,
        shift: float | Sequence[float] | None = None,
        by_channel: bool = False,
    ) -> None:
        super().__init__(channels, network.config.in_channels, factor)
        config = network.config
        self.network: Any = network
        self.scale = _by_channel(getattr(config, "scaling_factor", None) or 1.0 if scale is None else scale)
        self.shift = _by_channel(getattr(config, "shift_factor", None) or 0.0 if shift is None else shift)
        mean, deviation = (getattr(config, name, None) for name in ("latents_mean", "latents_std"))
        if by_channel and mean is not None and deviation is not None:
            self.shift, self.scale = _by_channel(mean), self.scale / _by_channel(deviation)
        if hasattr(network, "tile_latent_min_size") and hasattr(network, "enable_tiling"):
            network.enable_tiling()
            network.tile_sample_min_size, network.tile_latent_min_size = WHOLE * factor, WHOLE
        elif hasattr(network, "tile_latent_min_height"):  # AutoencoderDC, whose tiles share an eighth of their sides.
            side, stride = WHOLE * factor, WHOLE * factor * 7 // 8
            network.enable_tiling(side, side, stride, stride)

    def _encode(self, x: Tensor) -> Tensor:
        found = self.network.encode(self._moved(x))
        if hasattr(found, "latent_dist"):
            latents = found.latent_dist.mode()
        else:
            latents = found.latents if hasattr(found, "latents") else found.latent
        return ((latents - self.shift.to(latents)) * self.scale.to(latents)).to(x)

    def _decode(self, z: Tensor) -> Tensor:
        dtype, z = z.dtype, self._moved(z)
        decoded: Tensor = self.network.decode(z / self.scale.to(z) + self.shift.to(z)).sample
        return decoded.to(dtype)

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
    each = optional(Listed(Number(-1e3, 1e3), config.latent_channels, config.latent_channels))
    told = {key: getattr(config, key, None) for key in ("latents_mean", "latents_std")}
    check_fields(told, dict.fromkeys(told, each), f"{parts.source}: its {name}")
    return DiffusersCodec(network, config.latent_channels, 2 ** (len(stages) - 1), **settings)
