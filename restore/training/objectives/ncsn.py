"""Denoising score matching at a few levels (Song & Ermon 2019, 1907.05600, eq. 6 with lambda = sigma^2)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor

from restore.training.objectives.objective import Denoising, even


@dataclass(frozen=True)
class LevelsObjective(Denoising):
    """E sigma^2 |s(x, sigma) + z / sigma|^2, levels drawn with equal chances; the paper's, but for its factor 1/2.

    Attributes:
        trained: (L,), the levels.
    """

    trained: Tensor

    def levels(self, count: int, generator: Generator) -> Tensor:
        return self.trained[(len(self.trained) * even(count, generator)).long()].float()

    def weight(self, sigma: Tensor) -> Tensor:
        return 1 / sigma**2
