"""Priors that were trained with the measurement: plain sampling (Rombach et al. 2022, 2112.10752, section 4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from restore.guidance.guidance import POSITIVE, Ranges
from restore.guidance.sdedit import levels_for
from restore.guidance.unconditional import Unconditional
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling import samplers
from restore.sampling.samplers import Sampler


@dataclass(frozen=True)
class Conditioned(Unconditional):
    """x0 <- D(z, sigma | y): the network takes the measurement beside z. Pixels are made consistent at the end.

    Attributes:
        strength: share of the prior's noise levels that is used; below 1 sampling starts at the picture's start, or the initial
            estimate, with noise.
    """

    ranges: ClassVar[Ranges] = {"strength": (POSITIVE, 1)}
    strength: float = 1.0

    def sampler(self) -> Sampler:
        return samplers.dpmpp_2m()

    def schedule(self, prior: Prior, problem: Problem, steps: int) -> Tensor:
        return levels_for(prior, steps, self.strength)
