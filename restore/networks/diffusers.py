"""Any unconditional `UNet2DModel` of diffusers, built from its own config."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


class DiffusersUNet(nn.Module):
    """A `UNet2DModel` with the interface of this toolkit's networks.

    Args:
        config: the network's config.json as diffusers saves it.
        scores: the network is that of a Score-SDE-VE pipeline: it takes u in [0, 1] with its sigma and returns the score of u.
            For x = 2 u - 1 in [-1, 1], sigma doubles and the score halves.

    Shape: x (B, C, H, W) and timestep (sigma for a score) (B,) -> (B, C, H, W), or (B, 2C, H, W) with a learned variance.
    """

    channels_last = False  # Group normalisation and attention are slower in this layout on CPUs.

    def __init__(self, config: Mapping[str, Any], *, scores: bool = False) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Importing diffusers raises deprecation warnings of its dependencies.
            from diffusers import UNet2DModel

            # Keys that begin with _ say which class and version saved the config; they are no arguments.
            network: Any = UNet2DModel(**{key: value for key, value in config.items() if not key.startswith("_")})
        self.network, self.scores = network, scores
        self.conditioning = "sigma" if scores else "timestep"
        self.channels: int = network.config.in_channels
        self.multiple_of = 2 ** (len(network.config.block_out_channels) - 1)
        side = network.config.sample_size or 0
        # With attention the receptive field is the whole picture; half the training size is context enough.
        self.context = max(64, (side if isinstance(side, int) else max(side)) // 2)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        if self.scores:
            score: Tensor = self.network((x + 1) / 2, noise / 2).sample
            return score / 2
        output: Tensor = self.network(x, noise).sample
        return output
