"""DPM-Solver++(2M): second order with one evaluation per step, by reusing the estimate of the previous step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.sampling.samplers.sampler import Denoise, Multistep, Sampler

if TYPE_CHECKING:
    from torch import Tensor

    from restore.sampling.noise import Noise


def dpmpp_2m() -> Sampler:
    """The multistep solver of the probability-flow ODE (Lu et al. 2022, 2211.01095, algorithm 2).

    With h = log(sigma / s'), r = h_prev / h and D_prev the estimate of the previous step:
    D' = D + (D - D_prev) / (2 r), x' = (s' / sigma) x + (1 - s' / sigma) D'.
    The first step has no previous one, and in the last, to sigma = 0, h is infinite: both take D' = D.
    """
    return Multistep(_begin)


def _begin() -> Sampler:
    past: tuple[Tensor, Tensor, Tensor] | None = None  # sigma and sigma_next of the previous step, and its D.

    def step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        nonlocal past
        x0 = denoise(x, sigma)
        ahead = x0
        # A guidance may call for a step that does not continue the previous one; then no extrapolation.
        if past is not None and past[1] == sigma and 0 < sigma_next < sigma < past[0]:
            before, _, last = past
            ahead = x0 + (sigma / sigma_next).log() / (2 * (before / sigma).log()) * (x0 - last)
        past = (sigma, sigma_next, x0)
        share = sigma_next / sigma
        return share * x + (1 - share) * ahead

    return step
