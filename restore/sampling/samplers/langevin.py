"""Langevin steps, which bring x to the prior's own law at a level, and the corrector made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.sampling.samplers.euler_maruyama import euler_maruyama
from restore.sampling.samplers.sampler import Denoise, Multistep, Sampler, begin
from restore.spec import check_integer, check_range

if TYPE_CHECKING:
    from torch import Tensor

    from restore.sampling.noise import Noise


def langevin(steps: int = 5, snr: float = 0.16) -> Sampler:
    """Annealed Langevin dynamics (Song & Ermon 2019, 1907.05600, algorithm 1): `steps` at each level.

    x <- x + (g / 2) (D - x) / s'^2 + sqrt(g) z, with s' the level to go to; the step to sigma = 0 is D (Jolicoeur-Martineau et
    al. 2021, 2009.05475). What x brings from the level above is forgotten here: levels far apart need many steps.

    Args:
        snr: length of the step along the score against that of its noise. With the score's length at its expectation under
            noise, 1 / s' a value (section 4.3), g = (2 snr s')^2. A variance v comes to rest at v / (1 - snr^2 s'^2 / v), so
            `snr` is below 1, and small where the answer must be exact; 0.16 as in Song et al. 2021, 2011.13456.
    """
    _check(steps, snr)

    def step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        if sigma_next == 0:
            return denoise(x, sigma)
        return _relaxed(denoise, x, sigma_next, noise, steps, snr)

    return step


def predictor_corrector(predictor: Sampler | None = None, steps: int = 1, snr: float = 0.16) -> Sampler:
    """Any sampler, then Langevin steps at the level it went to (Song et al. 2021, 2011.13456, algorithm 1).

    Args:
        predictor: the paper's, a step of the reverse SDE, if not given.
        steps, snr: of the corrector, see `langevin`.
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
