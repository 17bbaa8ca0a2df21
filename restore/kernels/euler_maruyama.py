"""The reverse SDE, a step at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.kernels.kernel import Denoise, Kernel

if TYPE_CHECKING:
    from torch import Tensor

    from restore.noise import Noise


def euler_maruyama() -> Kernel:
    """The reverse SDE dx = (x - D)/sigma^2 d(sigma^2) + dw (Song et al. 2021, 2011.13456, eq. 6), one step in sigma^2."""

    def step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        x0 = denoise(x, sigma)
        if sigma_next == 0:
            return x0
        variance = sigma**2 - sigma_next**2
        return x + variance / sigma**2 * (x0 - x) + variance.sqrt() * noise(x)

    return step
