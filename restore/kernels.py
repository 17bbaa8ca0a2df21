"""One reverse transition from sigma to sigma_next, knowing nothing of the measurement.

A kernel is a function `(denoise, x, sigma, sigma_next, noise) -> x_next`; `denoise(x, sigma)` answers E[x0 | x] (or the
guided estimate in its place), sigma and sigma_next are () tensors, sigma_next < sigma.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from restore.noise import Noise

Denoise = Callable[[Tensor, Tensor], Tensor]
Kernel = Callable[[Denoise, Tensor, Tensor, Tensor, Noise], Tensor]


def ddim(eta: float = 1.0) -> Kernel:
    """DDIM (Song et al. 2021, 2010.02502, eq. 12 and 16): eta = 0 deterministic, eta = 1 DDPM's ancestral step.

    In sigma: x' = D + s' sqrt(1 - tau) (x - D) / sigma + s' sqrt(tau) z with tau = eta^2 (1 - s'^2 / sigma^2).
    """

    def step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        tau = eta**2 * (1 - (sigma_next / sigma) ** 2)
        return renoise(denoise(x, sigma), x, sigma, sigma_next, tau, noise)

    return step


def diffpir(zeta: float = 0.3) -> Kernel:
    """DiffPIR's return to the noise level (Zhu et al. 2023, 2305.08995, eq. 13): as DDIM with a fixed share of fresh noise."""

    def step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        return renoise(denoise(x, sigma), x, sigma, sigma_next, sigma.new_tensor(zeta), noise)

    return step


def renoise(x0: Tensor, x: Tensor, sigma: Tensor, sigma_next: Tensor, fresh: Tensor, noise: Noise) -> Tensor:
    """x0 at level sigma_next, a share `fresh` of its noise variance new and the rest the noise found in x."""
    if sigma_next == 0:
        return x0
    answer = x0 + sigma_next * (1 - fresh).sqrt() / sigma * (x - x0)
    return answer + sigma_next * fresh.sqrt() * noise(x) if fresh > 0 else answer


def euler_maruyama() -> Kernel:
    """The reverse SDE dx = (x - D)/sigma^2 d(sigma^2) + dw (Song et al. 2021, 2011.13456, eq. 6), one step in sigma^2."""

    def step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        x0 = denoise(x, sigma)
        if sigma_next == 0:
            return x0
        variance = sigma**2 - sigma_next**2
        return x + variance / sigma**2 * (x0 - x) + variance.sqrt() * noise(x)

    return step


def heun(churn: float = 0.0) -> Kernel:
    """EDM's second-order step of the probability-flow ODE (Karras et al. 2022, 2206.00364, algorithm 2).

    Args:
        churn: gamma of the paper, the share by which the level is raised with fresh noise before the step; 0 is the ODE.
    """

    def step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        if churn > 0:
            raised = sigma * (1 + churn)
            x = x + (raised**2 - sigma**2).sqrt() * noise(x)
            sigma = raised
        # Euler step.
        slope = (x - denoise(x, sigma)) / sigma
        x_next = x + (sigma_next - sigma) * slope
        if sigma_next == 0:
            return x_next
        # 2nd order correction.
        slope_next = (x_next - denoise(x_next, sigma_next)) / sigma_next
        return x + (sigma_next - sigma) * (slope + slope_next) / 2

    return step


KERNELS: dict[str, Callable[..., Kernel]] = {
    "ddim": ddim,
    "diffpir": diffpir,
    "euler-maruyama": euler_maruyama,
    "heun": heun,
}
