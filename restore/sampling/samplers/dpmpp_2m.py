"""DPM-Solver++(2M): second order from one evaluation a step, by remembering the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.sampling.samplers.sampler import Denoise, Multistep, Sampler

if TYPE_CHECKING:
    from torch import Tensor

    from restore.sampling.noise import Noise


def dpmpp_2m() -> Sampler:
    """The multistep solver of the probability-flow ODE (Lu et al. 2022, 2211.01095, algorithm 2).

    With h the fall of log sigma and r = (last h) / h: D' = D + (D - last D) / (2 r), x' = (s' / sigma) x + (1 - s' / sigma) D'.
    A first step has no past and the last, to sigma = 0, no finite h: there D' = D.
    """
    return Multistep(_begin)


def _begin() -> Sampler:
    past: tuple[Tensor, Tensor, Tensor] | None = None  # Where the last step began and ended, and its estimate.

    def step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        nonlocal past
        x0 = denoise(x, sigma)
        ahead = x0
        # A guidance may ask for another step than the one that follows the last.
        if past is not None and past[1] == sigma and 0 < sigma_next < sigma < past[0]:
            before, _, last = past
            ahead = x0 + (sigma / sigma_next).log() / (2 * (before / sigma).log()) * (x0 - last)
        past = (sigma, sigma_next, x0)
        share = sigma_next / sigma
        return share * x + (1 - share) * ahead

    return step
