"""Any unconditional `UNet2DModel` of diffusers, by its own config."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


class DiffusersUNet(nn.Module):
    """diffusers' network, asked as the rest of the toolkit asks networks.

    Args:
        config: what diffusers saves beside the weights.
        scores: the network is one of Score-SDE-VE: it sees pictures u in [0, 1] and their sigma, and answers the score over
            them. For pictures x = 2 u - 1 the noise is twice as large, and the gradient half.

    Shape: x (B, C, H, W) and time, or sigma for a score, (B,) -> (B, C, H, W), or (B, 2C, H, W) with a learned variance.
    """

    channels_last = False  # Normalisation and attention are the slower for it on CPUs.

    def __init__(self, config: Mapping[str, Any], *, scores: bool = False) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # diffusers' talk with its own dependencies.
            from diffusers import UNet2DModel

            # Words that begin with _ say who saved it, not what it is.
            network: Any = UNet2DModel(**{key: value for key, value in config.items() if not key.startswith("_")})
        self.network, self.scores = network, scores
        self.hears = "sigma" if scores else "time"
        self.channels: int = network.config.in_channels
        self.multiple_of = 2 ** (len(network.config.block_out_channels) - 1)
        side = network.config.sample_size or 0
        # Attention looks everywhere: as far as it did in training.
        self.context = max(64, (side if isinstance(side, int) else max(side)) // 2)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        if self.scores:
            score: Tensor = self.network((x + 1) / 2, level / 2).sample
            return score / 2
        answer: Tensor = self.network(x, level).sample
        return answer
