"""Denoising where the noise is not white: the noise is completed to white noise of a falling level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from restore.guidance.guidance import POSITIVE, Guidance, Ranges
from restore.noise.model import NoiseModel, filtered, smoothed
from restore.operators.identity import Identity
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling import schedules
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler

PEAK = 0.98  # Quantile of the spectrum that counts as its peak.
LAST = 0.35  # Of the peak, the last level.


@dataclass(frozen=True)
class Whitening(Guidance[Identity]):
    """x_s = x0 + a (y - x0) + b z, x0 <- D(x_s, s), for a level s that falls from the peak of the noise's spectrum.

    With noise of power S at a frequency, a = min(1, s / S^(1/2)) and b = (s^2 - a^2 S)^(1/2), so that x_s has white noise of
    level s, which is what the prior expects: noise that y lacks at a frequency is added, and where y has more, y is moved
    towards the last estimate. It is the noisy step of DDNM+ (Wang et al. 2023, 2212.00490, eq. 19) and DDRM in the basis of the
    noise instead of the operator. At the first level y is only completed, so that the estimate is the posterior mean given the
    completed picture, for any spectrum. A point estimate; the last level averages over draws of z.

    Attributes:
        draws: evaluations of the last level, whose mean is the estimate.
    """

    needs: ClassVar[type] = Identity
    answer: ClassVar[Literal["sample", "estimate"]] = "estimate"
    noise_law: ClassVar[Literal["white", "any"]] = "any"
    takes_constraint: ClassVar[bool] = True
    steps: ClassVar[int] = 3
    fast: ClassVar[int] = 2
    best: ClassVar[int] = 3
    ranges: ClassVar[Ranges] = {"draws": (1, math.inf)}
    draws: int = 2

    def preset(self, quality: Literal["fast", "balanced", "best"]) -> tuple[Guidance, int]:
        return (Whitening(draws=4 * self.draws) if quality == "best" else self), super().preset(quality)[1]

    def schedule(self, prior: Prior, problem: Problem[Identity], steps: int) -> Tensor:
        """Levels from the peak of the noise's spectrum to about a third of it, in equal ratios."""
        amplitude = _amplitude(_law(problem), problem).flatten().sort().values
        peak = max(problem.sigma_y * float(amplitude[int(PEAK * (len(amplitude) - 1))]), prior.sigma_min)
        schedule = schedules.geometric(peak, peak * LAST ** min(1.0, (steps - 1) / 2), steps)
        return schedule if prior.levels is None else schedules.snap(schedule, prior.levels)

    def start(self, problem: Problem[Identity], sigma: Tensor, noise: Noise) -> Tensor:
        """y itself; no noise is drawn."""
        return problem.y.expand(problem.shape)

    def step(
        self,
        problem: Problem[Identity],
        prior: Prior,
        sampler: Sampler,
        x: Tensor,
        sigma: Tensor,
        sigma_next: Tensor,
        noise: Noise,
    ) -> Tensor:
        if problem.sigma_y == 0:
            return problem.y.expand(problem.shape)
        law = _law(problem)
        amplitude = _amplitude(law, problem).to(x)
        level = sigma / problem.sigma_y
        pull = (level / amplitude.clamp_min(POSITIVE)).clamp_max(1)
        missing = (level**2 - (pull * amplitude) ** 2).clamp_min(0).sqrt()
        # Where the noise is weaker than its mean over the picture, white noise makes up for it.
        deviation = law.deviation_at(smoothed(x)).clamp_max(problem.sigma_y)
        even = (sigma**2 - (level * deviation) ** 2).clamp_min(0).sqrt()
        moved = x + filtered(problem.measurement(x) - x, pull)
        draws = 1 if sigma_next > 0 else self.draws
        total = torch.zeros_like(x)
        for _ in range(draws):
            completed = moved + deviation * filtered(noise(x), missing)
            if not law.is_uniform:
                completed = completed + even * noise(x)
            total = total + prior(completed, sigma)
        return total / draws


def _law(problem: Problem[Identity]) -> NoiseModel:
    return problem.noise or NoiseModel.white(problem.sigma_y, problem.shape[1])


def _amplitude(law: NoiseModel, problem: Problem[Identity]) -> Tensor:
    """Root of the noise's power spectrum at a deviation of 1, (C, H, W // 2 + 1)."""
    return law.spectrum((problem.shape[-2], problem.shape[-1])).sqrt().float()
