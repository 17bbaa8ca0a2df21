"""RePaint: known pixels are replaced by noised y, with resampling (Lugmayr et al. 2022, 2201.09865, algorithm 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from restore.guidance.guidance import POSITIVE, Guidance, Ranges
from restore.guidance.sdedit import levels_for
from restore.operators.mask import Mask
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling import schedules
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler


@dataclass(frozen=True)
class RePaint(Guidance[Mask]):
    """One unguided transition, then the known pixels of x' become y + s' z, with s' = sigma_next.

    Resampling, that is noising x and repeating steps, harmonises known and unknown pixels. Noisy y already has noise of
    sigma_y, so only the missing variance s'^2 - sigma_y^2 is added; at levels below sigma_y the known pixels are not replaced.

    Attributes:
        strength: share of the prior's noise levels that is used; below 1 a run begins at the problem's start with noise, as
            SDEdit's does.
        jump, repeat: see `schedules.travel`; the paper has 10 and 10.
    """

    needs: ClassVar[type] = Mask
    steps: ClassVar[int] = 50
    ranges: ClassVar[Ranges] = {"jump": (1, math.inf), "repeat": (1, math.inf), "strength": (POSITIVE, 1)}
    jump: int = 10
    repeat: int = 5
    strength: float = 1.0

    def schedule(self, prior: Prior, problem: Problem[Mask], steps: int) -> Tensor:
        levels = super().schedule(prior, problem, steps) if self.strength == 1 else levels_for(prior, steps, self.strength)
        return schedules.travel(levels, min(self.jump, steps), self.repeat)

    def step(
        self, problem: Problem[Mask], prior: Prior, sampler: Sampler, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise
    ) -> Tensor:
        x_next = sampler(prior, x, sigma, sigma_next, noise)
        if sigma_next < problem.sigma_y:
            return x_next
        missing = (sigma_next**2 - problem.sigma_y**2).clamp(min=0).sqrt()  # Below 0 only by rounding.
        known = torch.addcmul(problem.y.to(x), noise(x), missing.to(x.dtype))
        return x_next.lerp(known, problem.operator.keep.to(x))  # The weights are 0 and 1, so this selects.
