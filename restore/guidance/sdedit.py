"""SDEdit: a picture is noised to an intermediate level and denoised by the prior (Meng et al. 2022, 2108.01073)."""

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
    """Starts at `problem.start` + sigma z for the level sigma given by `strength`, then samples from the prior (algorithm 1).

    Details smaller than the noise are generated anew; larger structures stay.

    Attributes:
        strength: share of a full run, in (0, 1]: of the trained levels if these are discrete, otherwise of EDM's schedule
            (rho = 7) from sigma_min to `sigma_start` (sigma_max if there is none).
    """

    ranges: ClassVar[Ranges] = {"strength": (POSITIVE, 1)}
    strength: float = 0.4

    def schedule(self, prior: Prior, problem: Problem, steps: int) -> Tensor:
        return levels_for(prior, steps, self.strength)


def levels_for(prior: Prior, steps: int, strength: float) -> Tensor:
    """The noise levels of the last share `strength` of a run, and 0; see `SDEdit`."""
    if prior.levels is not None:
        walked = max(1, round(strength * len(prior.levels)))
        return schedules.ddpm(prior.levels[-walked:], steps, prior.spacing)
    low, high = (level ** (1 / 7) for level in (prior.sigma_min, prior.sigma_start or prior.sigma_max))
    return schedules.karras((low + strength * (high - low)) ** 7, prior.sigma_min, steps)
