"""NCSN: a score network on a geometric sequence of noise levels (Song & Ermon 2019, 1907.05600; 2020, 2006.09011)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from restore.errors import PriorError
from restore.priors.families.networked import NetworkPrior, NetworkSettings


class NCSN(NetworkPrior):
    """D = x + sigma^2 s(x, sigma), s trained by denoising score matching at L levels.

    Args:
        network: the score, called with x (B, C, H, W) and sigma (B,).
        count: L, the number of levels, a geometric sequence from sigma_max to sigma_min (2019, section 4.2).
        Others: see `NetworkPrior`. Song & Ermon 2020 set sigma_max to the largest distance between two training pictures
            (technique 1), and sigma_min to 0.01 for [0, 1] pictures.

    Raises: PriorError for fewer than 2 levels, or unless 0 < sigma_min < sigma_max.
    """

    levels: Tensor

    def __init__(
        self,
        network: nn.Module,
        *,
        count: int = 200,
        sigma_min: float = 0.02,
        sigma_max: float = 100.0,
        **others: Unpack[NetworkSettings],
    ) -> None:
        if count < 2 or not 0 < sigma_min < sigma_max:
            raise PriorError(
                f"levels need a count of 2 or more and 0 < sigma_min < sigma_max, got {count}, {sigma_min}, {sigma_max}"
            )
        super().__init__(network, sigma_min=sigma_min, sigma_max=sigma_max, **others)
        ends = torch.tensor([sigma_max, sigma_min], dtype=torch.float64).log()
        self.levels = torch.linspace(float(ends[0]), float(ends[1]), count, dtype=torch.float64).exp()

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x + sigma[:, None, None, None] ** 2 * self.ask(x, sigma)
