"""EDM's second-order sampler of the probability-flow ODE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.options.spec import check_range
from restore.sampling.samplers.sampler import Denoise, Sampler

if TYPE_CHECKING:
    from torch import Tensor

    from restore.sampling.noise import Noise


def heun(churn: float = 0.0) -> Sampler:
    """Heun's method (Karras et al. 2022, 2206.00364, algorithm 2): two evaluations per step, one in the last.

    Args:
        churn: gamma of the paper. Before each step fresh noise raises sigma to (1 + churn) sigma; 0 is the ODE.

    Raises: UsageError for a negative churn.
    """
    check_range("churn", churn, 0)

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
