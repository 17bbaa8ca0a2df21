"""DDIM and DDPM's ancestral step: x0 at the next level, with old noise and new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.sampling.samplers.sampler import Denoise, Sampler
from restore.spec import check_range

if TYPE_CHECKING:
    from torch import Tensor

    from restore.sampling.noise import Noise


def ddim(eta: float = 1.0) -> Sampler:
    """DDIM (Song et al. 2021, 2010.02502, eq. 12 and 16): eta = 0 deterministic, eta = 1 DDPM's ancestral step.

    In sigma: x' = D + s' sqrt(1 - tau) (x - D) / sigma + s' sqrt(tau) z with tau = eta^2 (1 - s'^2 / sigma^2).
    """
    check_range("eta", eta, 0, 1)

    def step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        tau = eta**2 * (1 - (sigma_next / sigma) ** 2)
        return renoise(denoise(x, sigma), x, sigma, sigma_next, tau, noise)

    return step


def probability_flow() -> Sampler:
    """Euler's step of the ODE dx = (x - D) / sigma dsigma (Song et al. 2021, 2011.13456, eq. 13): DDIM at eta = 0."""
    return ddim(eta=0.0)


def diffpir(zeta: float = 0.3) -> Sampler:
    """DiffPIR's return to the noise level (Zhu et al. 2023, 2305.08995, algorithm 1): DDIM, a fixed share of fresh noise."""
    check_range("zeta", zeta, 0, 1)

    def step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        return renoise(denoise(x, sigma), x, sigma, sigma_next, sigma.new_tensor(zeta), noise)

    return step


def renoise(x0: Tensor, x: Tensor, sigma: Tensor, sigma_next: Tensor, fresh: Tensor, noise: Noise) -> Tensor:
    """x0 at level sigma_next, a share `fresh` of its noise variance new and the rest the noise found in x."""
    if sigma_next == 0:
        return x0
    # Two passes over the picture and no more: what a fresh tensor costs is mostly its first touch.
    answer = x0.lerp(x, (sigma_next * (1 - fresh).sqrt() / sigma).to(x.dtype))
    return answer.addcmul_(noise(x), (sigma_next * fresh.sqrt()).to(x.dtype)) if fresh > 0 else answer
