"""Euler-Maruyama steps of the reverse SDE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.sampling.samplers.sampler import Denoise, Sampler

if TYPE_CHECKING:
    from torch import Tensor

    from restore.sampling.noise import Noise


def euler_maruyama() -> Sampler:
    """One step in sigma^2 of the reverse SDE dx = (x - D) / sigma^2 d(sigma^2) + dw (Song et al. 2021, 2011.13456, eq. 6).

    w is a Wiener process in sigma^2. The step to sigma = 0 returns D.
    """

    def step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        x0 = denoise(x, sigma)
        if sigma_next == 0:
            return x0
        variance = sigma**2 - sigma_next**2
        return x + variance / sigma**2 * (x0 - x) + variance.sqrt() * noise(x)

    return step
