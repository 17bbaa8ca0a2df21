"""Plug-and-play: alternating data and denoising steps at falling noise levels (DPIR; Zhang et al. 2021, 2008.13751)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from restore.guidance.guidance import POSITIVE, Guidance, Ranges
from restore.operators.operator import Linear
from restore.priors.prior import Prior
from restore.priors.views.self_ensemble import PeriodicalSelfEnsemble
from restore.problem import Problem
from restore.sampling import schedules
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler


@dataclass(frozen=True)
class PnP(Guidance[Linear]):
    """z = prox(x, y, lambda sigma_y^2 / sigma^2), x <- z + r (D(z, sigma) - z), for geometrically falling sigma.

    Half-quadratic splitting from an initial estimate, without added noise: a deterministic point estimate, not a posterior
    sample. The sampler is not used. The last step has r = 1, and the result meets noiseless measurements exactly.

    In one step information spreads from known pixels only as far as the denoiser smooths. Over-relaxation, r > 1, makes steps
    longer, as in solving Laplace's equation (Young 1954), and does not change the fixed points. It helps where pixels are
    missing. It is not needed where all pixels are blurred.

    With `pace` the relaxation follows the length of a step, r = log(sigma / sigma') / pace, up to `relaxation`. Few long steps
    then go about as far as many short ones. Without noise the iteration is Euler's method for
    dx / dlog sigma = (z - D(z, sigma)) / pace, and converges to its solution with the number of steps, where a fixed r goes the
    further the more steps there are.

    Attributes:
        weight: lambda; the paper's 0.23.
        sigma_start, sigma_end: range of noise levels, in units of [-1, 1] pictures. The paper's 49/255 in [0, 1] is 0.38 here.
            With noise the schedule ends at sigma_y.
        most: the largest number of transitions at any quality, for tasks where more make the estimate worse.
        most_fast: the same at the quality "fast".
        relaxation: r, in (0, 2]; the paper has 1. With `pace`, the largest r.
        pace: the length of a step in log sigma for which r is 1; 0 for the same r in all steps.
    """

    needs: ClassVar[type] = Linear
    answer: ClassVar[Literal["sample", "estimate"]] = "estimate"
    noise_law: ClassVar[Literal["white", "any"]] = "any"
    takes_constraint: ClassVar[bool] = True
    steps: ClassVar[int] = 24
    fast: ClassVar[int] = 10
    best: ClassVar[int] = 24  # More transitions make the estimate worse: docs/reports/photo-prior.md.
    ranges: ClassVar[Ranges] = {
        "weight": (0, math.inf),
        "sigma_start": (POSITIVE, math.inf),
        "sigma_end": (POSITIVE, math.inf),
        "most": (1, math.inf),
        "most_fast": (1, math.inf),
        "relaxation": (POSITIVE, 2),
        "pace": (0, math.inf),
    }
    weight: float = 0.23
    sigma_start: float = 0.5
    sigma_end: float = 0.01
    most: int = 50
    relaxation: float = 1.0
    most_fast: int = 50
    pace: float = 0.0

    def preset(self, quality: Literal["fast", "balanced", "best"]) -> tuple[Guidance, int]:
        method, steps = super().preset(quality)
        return method, min(steps, self.most, self.most_fast if quality == "fast" else self.most)

    def wrap_prior(self, prior: Prior) -> Prior:
        return PeriodicalSelfEnsemble(prior)

    def start(self, problem: Problem[Linear], sigma: Tensor, noise: Noise) -> Tensor:
        guess = problem.operator.initial_estimate(problem.y) if problem.start is None else problem.start
        return guess.expand(problem.shape)

    def schedule(self, prior: Prior, problem: Problem[Linear], steps: int) -> Tensor:
        end = max(self.sigma_end, problem.sigma_y)
        schedule = schedules.geometric(max(self.sigma_start, end), end, steps)
        return schedule if prior.levels is None else schedules.snap(schedule, prior.levels)

    def step(
        self,
        problem: Problem[Linear],
        prior: Prior,
        sampler: Sampler,
        x: Tensor,
        sigma: Tensor,
        sigma_next: Tensor,
        noise: Noise,
    ) -> Tensor:
        z = problem.prox(x, self.weight / sigma**2)
        x0 = prior(z, sigma)
        if sigma_next > 0:
            return self._relaxed(z, x0, sigma, sigma_next)
        return problem.operator.prox(x0, problem.measurement(x0), 0.0) if problem.sigma_y == 0 else x0

    def _relaxed(self, z: Tensor, x0: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        # lerp is one pass over a large picture, not three.
        if self.pace == 0:
            return x0 if self.relaxation == 1 else z.lerp(x0, self.relaxation)
        length = (sigma / sigma_next).log() / self.pace
        return z.lerp(x0, length.clamp(max=self.relaxation).to(z))


FILLING = PnP(sigma_start=0.35, relaxation=1.8)
"""For inpainting without noise: the initial estimate is accurate, so runs start at a lower noise level, with longer steps."""

ENLARGING = PnP(sigma_start=0.8, sigma_end=0.02, relaxation=1.7, pace=0.19, most=10, most_fast=5)
"""For super-resolution without noise: the initial estimate is less accurate, above all at large scales. Ten relaxed steps
come as far as 24 plain ones (docs/reports/speed.md)."""
