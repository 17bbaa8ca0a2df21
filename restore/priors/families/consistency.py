"""Consistency models: a network that goes to the end of the ODE in one step (Song et al. 2023, 2303.01469)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from typing_extensions import Unpack

from restore.priors.families.ddpm import DDPM
from restore.priors.families.networked import NetworkPrior, NetworkSettings


class Consistency(NetworkPrior):
    """f(x, sigma) = c_skip x + c_out F(c_in x, 250 log sigma), with the scalings of appendix C, for which f(x, sigma_min) = x.

    f is not E[x0 | x]: it returns one picture that the ODE reaches from x, sharper than the mean. Methods that take it for D
    overstate what is known; it is meant for few steps.

    Args:
        network: F, called with c_in x (B, C, H, W) and 1000 c_noise = 250 log(sigma) (B,).
        sigma_data: the standard deviation of clean pictures.
        clip: f is clamped to [-clip, clip]; None for no clamping.
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
        clip: float | None = 1.0,
        **others: Unpack[NetworkSettings],
    ) -> None:
        super().__init__(network, sigma_min=sigma_min, sigma_max=sigma_max, **others)
        self.sigma_data, self.clip = sigma_data, clip

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        time = 250 * sigma.log()
        sigma = sigma[:, None, None, None]
        c_in = (sigma**2 + self.sigma_data**2).rsqrt()
        c_skip = self.sigma_data**2 / ((sigma - self.sigma_min) ** 2 + self.sigma_data**2)
        c_out = (sigma - self.sigma_min) * self.sigma_data * c_in
        found = c_skip * x + c_out * self.ask(c_in * x, time)
        return found if self.clip is None else found.clamp(-self.clip, self.clip)


class ChainConsistency(DDPM):
    """The consistency function of a chain (Luo et al. 2023, 2310.04378, eq. 7): f = c_skip x_t + c_out D, for D of the chain.

    c_skip = s^2 / ((scaling t)^2 + s^2) and c_out = scaling t / sqrt((scaling t)^2 + s^2) with s = 0.5; f(x, 0) = x. As of
    `Consistency`, f is one picture, not a mean.

    Args:
        scaling: of t, the paper's implementation's 10.
        distilled: number of levels that the network was distilled at, evenly spaced in time; these are its `levels`.
        Others: see `DDPM`.
    """

    def __init__(
        self, network: nn.Module, alphas_cumprod: Tensor, *, scaling: float = 10.0, distilled: int = 50, **others: Any
    ) -> None:
        super().__init__(network, alphas_cumprod, **others)
        self.scaling = scaling
        stride = max(1, len(self.table) // distilled)
        self.levels = self.table[stride - 1 :: stride].flip(0)
        self.spacing = "distilled"

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        time = (self.scaling * self._time(sigma))[:, None, None, None]
        x_t = x / (1 + sigma[:, None, None, None] ** 2).sqrt()
        return 0.25 / (time**2 + 0.25) * x_t + time * (time**2 + 0.25).rsqrt() * super().denoise(x, sigma)
