"""The continuous-time loss of score models (Song et al. 2021, 2011.13456, eq. 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Generator, Tensor

from restore.objectives.objective import DenoisingObjective, stratified


@dataclass(frozen=True)
class SDEObjective(DenoisingObjective):
    """E std(t)^2 |s(x_t, t) + z / std(t)|^2, t uniform over [earliest, 1].

    For VP, sub-VP and VE SDEs this is the mean squared error in z.

    Attributes:
        sigma: t -> std(t) / alpha(t), for t of any shape.
        earliest: smallest t (epsilon in appendix C).
    """

    sigma: Callable[[Tensor], Tensor]
    earliest: float = 1e-5

    def sample_sigma(self, count: int, generator: Generator) -> Tensor:
        time = self.earliest + (1 - self.earliest) * stratified(count, generator)
        return self.sigma(time).float()

    def weight(self, sigma: Tensor) -> Tensor:
        return 1 / sigma**2
