"""Langevin dynamics towards the prior's marginal p(x; sigma), as a sampler and as the corrector of another sampler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.options.spec import check_integer, check_range
from restore.sampling.samplers.euler_maruyama import euler_maruyama
from restore.sampling.samplers.sampler import Denoise, Multistep, Sampler, begin

if TYPE_CHECKING:
    from torch import Tensor

    from restore.sampling.noise import Noise


def langevin(steps: int = 5, snr: float = 0.16) -> Sampler:
    """Annealed Langevin dynamics (Song & Ermon 2019, 1907.05600, algorithm 1): `steps` Langevin steps at each noise level.

    x <- x + (g / 2) (D - x) / s'^2 + sqrt(g) z at s' = sigma_next. The step to sigma = 0 returns D (Jolicoeur-Martineau et al.
    2021, 2009.05475). Only these steps change the noise level of x, so a schedule whose levels are far apart needs many.

    Args:
        steps: per noise level, at one evaluation each.
        snr: ratio of the lengths of the step's drift and noise. It sets the step size g = (2 snr s')^2, where the score has its
            expected length under noise, 1 / s' per value (section 4.3). Discretisation turns a variance v of p(x; s') into
            v / (1 - snr^2 s'^2 / v), so snr is at most 0.99; lower it to reduce that bias. 0.16 as in Song et al. 2021,
            2011.13456.

    Raises: UsageError for fewer than 1 step or snr outside [0, 0.99].
    """
    _check(steps, snr)

    def step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        if sigma_next == 0:
            return denoise(x, sigma)
        return _relaxed(denoise, x, sigma_next, noise, steps, snr)

    return step


def predictor_corrector(predictor: Sampler | None = None, steps: int = 1, snr: float = 0.16) -> Sampler:
    """A step of any sampler, then Langevin steps at its new noise level (Song et al. 2021, 2011.13456, algorithm 1).

    Args:
        predictor: the sampler; by default the paper's, `euler_maruyama`.
        steps, snr: of the corrector; see `langevin`, also for errors.
    """
    _check(steps, snr)
    chosen = predictor or euler_maruyama()

    def started() -> Sampler:
        predict = begin(chosen)

        def step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
            x = predict(denoise, x, sigma, sigma_next, noise)
            return x if sigma_next == 0 else _relaxed(denoise, x, sigma_next, noise, steps, snr)

        return step

    return Multistep(started)


def _check(steps: int, snr: float) -> None:
    check_integer("steps", steps)
    check_range("steps", steps, 1)
    check_range("snr", snr, 0, 0.99)


def _relaxed(denoise: Denoise, x: Tensor, sigma: Tensor, noise: Noise, steps: int, snr: float) -> Tensor:
    size = (2 * snr * sigma) ** 2
    for _ in range(steps):
        x = x + size / 2 * (denoise(x, sigma) - x) / sigma**2 + size.sqrt() * noise(x)
    return x
