"""SDEdit: a picture taken part of the way to noise and back (Meng et al. 2022, 2108.01073)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from restore.guidance.guidance import POSITIVE, Ranges
from restore.guidance.unconditional import Unconditional
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling import schedules


@dataclass(frozen=True)
class SDEdit(Unconditional):
    """x begins at `problem.start` + sigma z, for a level that `strength` says, and falls as the prior has it (algorithm 1).

    What is smaller than the noise is made anew, what is larger stays.

    Attributes:
        strength: how much of a whole run's descent is walked, above 0 to 1: that share of the trained levels where these are
            discrete, else of Karras' grid (rho = 7) between sigma_min and where runs begin.
    """

    ranges: ClassVar[Ranges] = {"strength": (POSITIVE, 1)}
    strength: float = 0.4

    def schedule(self, prior: Prior, problem: Problem, steps: int) -> Tensor:
        if prior.levels is not None:
            walked = max(1, round(self.strength * len(prior.levels)))
            return schedules.ddpm(prior.levels[-walked:], steps)
        low, high = (level ** (1 / 7) for level in (prior.sigma_min, prior.sigma_start or prior.sigma_max))
        return schedules.karras((low + self.strength * (high - low)) ** 7, prior.sigma_min, steps)
