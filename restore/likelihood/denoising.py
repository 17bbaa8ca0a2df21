"""Denoising PSNR of a prior, by noise level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from restore.errors import UsageError
from restore.likelihood.units import OnStep, ignore, seeded
from restore.priors.prior import Prior
from restore.sampling import schedules

LEVELS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


class Denoised(NamedTuple):
    """PSNR in dB at level `sigma` before (`noisy`) and after denoising (`psnr`).

    The peak is 2, the width of [-1, 1]; the squared error is averaged over all pictures.
    """

    sigma: float
    noisy: float
    psnr: float


@torch.no_grad()
def denoising_psnr(
    prior: Prior,
    x0: Tensor,
    *,
    sigmas: Sequence[float] = LEVELS,
    seed: int = 0,
    batch: int = 64,
    on_step: OnStep = ignore,
) -> tuple[Denoised, ...]:
    """Peak signal-to-noise ratio of D(x0 + sigma z, sigma), one entry for each level in the prior's range.

    Args:
        x0: (N, C, H, W) in [-1, 1], on the prior's device.
        sigmas: noise levels in units of [-1, 1] pictures; moved to the nearest trained ones where these are discrete.
        seed: of the noise.
        batch: pictures per evaluation.
        on_step: called after each evaluation with (evaluations done, total).

    Raises: UsageError if no level lies in the range.
    """
    wanted = torch.tensor([sigma for sigma in sigmas if prior.sigma_min <= sigma <= prior.sigma_max], dtype=torch.float64)
    if not len(wanted):
        raise UsageError(f"no level lies in the prior's range, {prior.sigma_min:g} to {prior.sigma_max:g}")
    levels = wanted if prior.levels is None else schedules.snap(wanted, prior.levels)
    generator, found, done = seeded(seed), [], 0
    for sigma in levels.tolist():
        noisy, denoised = 0.0, 0.0
        for pictures in x0.split(batch):
            x = pictures + sigma * torch.randn(pictures.shape, generator=generator).to(pictures)
            noisy += float((x - pictures).double().square().sum())
            denoised += float((prior(x, sigma) - pictures).double().square().sum())
            on_step(done := done + 1, len(levels) * -(-len(x0) // batch))
        found.append(Denoised(sigma, _decibels(noisy / x0.numel()), _decibels(denoised / x0.numel())))
    return tuple(found)


def _decibels(error: float) -> float:
    return 10 * math.log10(4 / error)
