"""The continuous-time loss of score models (Song et al. 2021, 2011.13456, eq. 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Generator, Tensor

from restore.training.objectives.objective import Denoising, even


@dataclass(frozen=True)
class SDEObjective(Denoising):
    """E std(t)^2 |s(x_t, t) + z / std(t)|^2, t uniform over [earliest, 1]: for vp, sub-vp and ve alike the error in z.

    Attributes:
        sigma: from t (any shape) to std / alpha, as the prior has it.
        earliest: smallest t (appendix C).
    """

    sigma: Callable[[Tensor], Tensor]
    earliest: float = 1e-5

    def levels(self, count: int, generator: Generator) -> Tensor:
        time = self.earliest + (1 - self.earliest) * even(count, generator)
        return self.sigma(time).float()

    def weight(self, sigma: Tensor) -> Tensor:
        return 1 / sigma**2
