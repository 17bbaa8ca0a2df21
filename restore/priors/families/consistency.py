"""Consistency models: a network that goes to the end of the ODE in one step (Song et al. 2023, 2303.01469)."""

from __future__ import annotations

from torch import Tensor, nn
from typing_extensions import Unpack

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
