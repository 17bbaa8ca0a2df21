"""From a noised picture back to a clean one, by the prior alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from restore import Prior, Problem, UsageError
from restore.guidance import Unconditional
from restore.sampling import schedules


@dataclass(frozen=True)
class FromLevel(Unconditional):
    """SDEdit (Meng et al. 2022, 2108.01073, algorithm 1) that starts at a given noise level.

    By default it comes back in one step, as the mean of all pictures that could have been noised, since how they differ is no
    anomaly; more steps draw one of them.

    Attributes:
        level: sigma, in units of [-1, 1] pictures; UsageError where the prior was not trained for it.
    """

    steps: ClassVar[int] = 1
    fast: ClassVar[int] = 1
    best: ClassVar[int] = 1
    level: float = 0.5

    def schedule(self, prior: Prior, problem: Problem, steps: int) -> Tensor:
        if not prior.sigma_min < self.level <= prior.sigma_max:
            low, high, asked = (f"{127.5 * sigma:.3g}" for sigma in (prior.sigma_min, prior.sigma_max, self.level))
            raise UsageError(f"level: the prior knows {low} to {high} grey levels, not {asked}")
        return schedules.karras(self.level, prior.sigma_min, steps)
