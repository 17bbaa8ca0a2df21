"""DDIM and DDPM's ancestral step: x0 plus noise of the next level, part of it kept from x and part of it fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.options.spec import check_range
from restore.sampling.samplers.sampler import Denoise, Sampler

if TYPE_CHECKING:
    from torch import Tensor

    from restore.sampling.noise import Noise


def ddim(eta: float = 1.0) -> Sampler:
    """DDIM (Song et al. 2021, 2010.02502, eq. 12 and 16): eta = 0 is deterministic, eta = 1 is DDPM's ancestral step.

    For x = x0 + sigma z and s' = sigma_next: x' = D + s' sqrt(1 - tau) (x - D) / sigma + s' sqrt(tau) z with
    tau = eta^2 (1 - s'^2 / sigma^2).

    Raises: UsageError unless eta is in [0, 1].
    """
    check_range("eta", eta, 0, 1)

    def step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        tau = eta**2 * (1 - (sigma_next / sigma) ** 2)
        return renoise(denoise(x, sigma), x, sigma, sigma_next, tau, noise)

    return step


def probability_flow() -> Sampler:
    """An Euler step of the ODE dx = (x - D) / sigma dsigma (Song et al. 2021, 2011.13456, eq. 13): DDIM with eta = 0."""
    return ddim(eta=0.0)


def diffpir(zeta: float = 0.3) -> Sampler:
    """DiffPIR's re-noising (Zhu et al. 2023, 2305.08995, algorithm 1): DDIM with tau = zeta at every step.

    Raises: UsageError unless zeta is in [0, 1].
    """
    check_range("zeta", zeta, 0, 1)

    def step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        return renoise(denoise(x, sigma), x, sigma, sigma_next, sigma.new_tensor(zeta), noise)

    return step


def renoise(x0: Tensor, x: Tensor, sigma: Tensor, sigma_next: Tensor, fresh: Tensor, noise: Noise) -> Tensor:
    """x0 plus noise of level sigma_next: a share `fresh` of the variance is drawn anew, the rest is the noise (x - x0) of x.

    Args:
        x0, x: (B, C, H, W), the clean estimate and the picture at level sigma.
        sigma, sigma_next, fresh: () tensors, fresh in [0, 1].

    Returns: (B, C, H, W).
    """
    if sigma_next == 0:
        return x0
    # Two passes over the picture only: most of the time goes into writing to newly allocated memory.
    answer = x0.lerp(x, (sigma_next * (1 - fresh).sqrt() / sigma).to(x.dtype))
    return answer.addcmul_(noise(x), (sigma_next * fresh.sqrt()).to(x.dtype)) if fresh > 0 else answer
