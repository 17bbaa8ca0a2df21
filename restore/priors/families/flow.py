"""Rectified flow: a velocity between pictures and noise (Liu et al. 2022, 2209.03003; Lipman et al. 2022, 2210.02747)."""

from __future__ import annotations

from torch import Tensor, nn
from typing_extensions import Unpack

from restore.priors.families.networked import NetworkPrior, NetworkSettings
from restore.priors.families.sde import TIMES


class FlowSettings(NetworkSettings, total=False):
    """The keywords of `NetworkPrior`."""

    sigma_min: float
    sigma_max: float


class Flow(NetworkPrior):
    """x_t = (1 - t) x0 + t z, so sigma = t / (1 - t) and x_t = x / (1 + sigma); v = E[z - x0 | x_t] gives D = x_t - t v.

    Time runs from pictures (0) to noise (1); in Liu et al. it runs from noise to pictures.

    Args:
        network: the velocity, called with x_t (B, C, H, W) and `times` t (B,).
        times: the network's time at t = 1.
        levels: see `Prior`.
        Others: see `NetworkPrior`.
    """

    amplifies_rounding = False  # t is at most 1.

    def __init__(
        self, network: nn.Module, *, times: float = TIMES, levels: Tensor | None = None, **others: Unpack[FlowSettings]
    ) -> None:
        super().__init__(network, **others)
        self.times, self.levels = times, levels

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        time = sigma / (1 + sigma)
        x_t = x / (1 + sigma[:, None, None, None])
        return x_t - time[:, None, None, None] * self.ask(x_t, self.times * time)
