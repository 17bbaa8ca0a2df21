"""Denoising score matching on a set of noise levels (Song & Ermon 2019, 1907.05600, eq. 6 with lambda = sigma^2)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor

from restore.objectives.objective import DenoisingObjective, stratified


@dataclass(frozen=True)
class NCSNObjective(DenoisingObjective):
    """E sigma^2 |s(x, sigma) + z / sigma|^2 with sigma uniform over the set; without the factor 1/2 of the paper.

    Attributes:
        sigmas: (L,), the noise levels.
    """

    sigmas: Tensor

    def sample_sigma(self, count: int, generator: Generator) -> Tensor:
        return self.sigmas[(len(self.sigmas) * stratified(count, generator)).long()].float()

    def weight(self, sigma: Tensor) -> Tensor:
        return 1 / sigma**2
