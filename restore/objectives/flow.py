"""Flow matching along straight lines (Liu et al. 2022, 2209.03003, eq. 1; Lipman et al. 2022, 2210.02747, eq. 23)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor

from restore.objectives.objective import DenoisingObjective, stratified


@dataclass(frozen=True)
class FlowObjective(DenoisingObjective):
    """E |v(x_t, t) - (z - x0)|^2, t uniform over the range of sigma. D - x0 = -t (v_theta - v), sigma = t / (1 - t).

    Attributes:
        sigma_min, sigma_max: range of sigma.
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0

    def sample_sigma(self, count: int, generator: Generator) -> Tensor:
        low, high = (sigma / (1 + sigma) for sigma in (self.sigma_min, self.sigma_max))
        time = low + (high - low) * stratified(count, generator)
        return (time / (1 - time)).float()

    def weight(self, sigma: Tensor) -> Tensor:
        return (1 + 1 / sigma) ** 2
