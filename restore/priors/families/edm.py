"""EDM: a preconditioned network (Karras et al. 2022, 2206.00364, eq. 7 and table 1, last column)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from restore.priors.families.networked import NetworkPrior, NetworkSettings


class EDM(NetworkPrior):
    """D(x, sigma) = c_skip x + c_out F(c_in x, c_noise).

    Args:
        network: F, called with c_in x (B, C, H, W) and c_noise = log(sigma) / 4 (B,).
        sigma_data: the standard deviation of clean pictures that the network was trained with.
        Others: see `NetworkPrior`.
    """

    amplifies_rounding = False  # c_out is at most sigma_data.

    def __init__(
        self,
        network: nn.Module,
        *,
        sigma_data: float = 0.5,
        sigma_min: float = 0.002,
        sigma_max: float = 80.0,
        **others: Unpack[NetworkSettings],
    ) -> None:
        super().__init__(network, sigma_min=sigma_min, sigma_max=sigma_max, **others)
        self.sigma_data = sigma_data

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        level = sigma.log() / 4  # c_noise
        sigma = sigma[:, None, None, None]
        total = sigma**2 + self.sigma_data**2
        c_in, c_skip, c_out = total.rsqrt(), self.sigma_data**2 / total, sigma * self.sigma_data * total.rsqrt()
        return torch.addcmul(c_skip * x, c_out, self.ask(c_in * x, level))
