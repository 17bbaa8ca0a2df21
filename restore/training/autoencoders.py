"""Autoencoders as `restore train --codec` trains them: diffusers' networks, built from a few numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from restore.priors.loaders.codec_folder import build

MOST = 4  # Times the first width that a level has at most.
GROUPS = 8
# A Gaussian likelihood of standard deviation s is a squared error plus 2 s^2 KL: of three grey levels, s = 0.022.
KL_WEIGHT = 1e-3


def config(
    kind: str, *, channels: int, width: int, factor: int, latent_channels: int, codebook: int, kl_weight: float
) -> dict[str, Any]:
    """The config of a training run: `codec`, the kind; `network`, diffusers' config; `loss`, its settings.

    Without attention: codes are local, and pictures of any size take memory linear in their pixels.

    Args:
        kind: "kl" or "vq".
        channels: of pictures.
        width: feature channels at the finest level, a multiple of 8; twice as many at each coarser one, at most four times.
        factor: pixels along a side of a cell, a power of 2.
        latent_channels: of a cell.
        codebook: vq: number of codes.
        kl_weight: kl: see `KLObjective`.
    """
    levels = factor.bit_length()
    network: dict[str, Any] = {
        "_class_name": "AutoencoderKL" if kind == "kl" else "VQModel",
        "in_channels": channels,
        "out_channels": channels,
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "block_out_channels": [width * min(2**level, MOST) for level in range(levels)],
        "layers_per_block": 1,
        "latent_channels": latent_channels,
        "norm_num_groups": GROUPS,
        "mid_block_add_attention": False,
        "scaling_factor": 1.0,
    }
    if kind == "kl":
        return {"codec": kind, "network": {**network, "force_upcast": False}, "loss": {"kl_weight": kl_weight}}
    return {"codec": kind, "network": {**network, "num_vq_embeddings": codebook}, "loss": {}}


class Coded(NamedTuple):
    """A decoded batch.

    Attributes:
        x: (B, C, H, W), G(z), float32.
        cost: (B,), what the code of each picture costs, per value of the picture; see the subclasses of `Autoencoder`.
    """

    x: Tensor
    cost: Tensor


class Autoencoder(nn.Module, ABC):
    """A codec of diffusers as it is trained: pictures of sides that cells fill, through code and back.

    Args:
        network: of diffusers.
        dtype: what it computes in (autocast).
    """

    def __init__(self, network: Any, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.network, self.dtype = network, dtype

    def forward(self, x: Tensor, seed: int) -> Coded:
        """
        Args:
            x: (B, C, H, W) in [-1, 1].
            seed: of the noise in the code, if it has any.
        """
        with torch.autocast(x.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.coded(x, seed)

    @abstractmethod
    def coded(self, x: Tensor, seed: int) -> Coded:
        """As `forward`, inside of its autocast."""


class KLAutoencoder(Autoencoder):
    """The code is a normal distribution, from which z is drawn (Kingma & Welling 2014, 1312.6114).

    Its cost is KL(q(z | x) || N(0, 1)) in nats.
    """

    def coded(self, x: Tensor, seed: int) -> Coded:
        moments = self.network.encode(x).latent_dist
        mean, log_variance = moments.mean.float(), moments.logvar.float()
        generator = torch.Generator(x.device).manual_seed(seed)
        noise = torch.randn(mean.shape, generator=generator, device=x.device)
        decoded = self.network.decode(mean + (log_variance / 2).exp() * noise).sample
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).flatten(1).sum(1) / 2
        return Coded(decoded.float(), divergence / x[0].numel())


class VQAutoencoder(Autoencoder):
    """The code is the nearest of a codebook (van den Oord et al. 2017, 1711.00937).

    Its cost is the squared distance of encoder and codebook, which moves both (equation 3).
    """

    def coded(self, x: Tensor, seed: int) -> Coded:
        latents = self.network.encode(x).latents.float()
        decoded = self.network.decode(latents)
        return Coded(decoded.sample.float(), decoded.commit_loss.float().expand(len(x)))


AUTOENCODERS: dict[str, type[Autoencoder]] = {"kl": KLAutoencoder, "vq": VQAutoencoder}


def autoencoder(config: Mapping[str, Any], dtype: torch.dtype) -> Autoencoder:
    """The untrained autoencoder of a training run's config."""
    return AUTOENCODERS[config["codec"]](build(config["network"]), dtype)
