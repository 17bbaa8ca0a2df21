"""EDM's loss (Karras et al. 2022, 2206.00364, eq. 2 and table 1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from restore.objectives.objective import DenoisingObjective, stratified
from restore.objectives.pnp_states import TrajectoryPool


@dataclass(frozen=True)
class EDMObjective(DenoisingObjective):
    """w(sigma) = (sigma^2 + sigma_data^2) / (sigma sigma_data)^2.

    sigma is log-normal as in the paper; a share of it is log-uniform over [sigma_min, sigma_max] instead, so that every noise
    level of that range is trained.

    Attributes:
        sigma_data: standard deviation of the data.
        sigma_min, sigma_max: range of sigma.
        mean, std: of log sigma (P_mean and P_std in the paper).
        spread: share of sigma that is log-uniform over [sigma_min, sigma_max].
        relative, trajectories: see `DenoisingObjective`.
    """

    sigma_data: float = 0.5
    sigma_min: float = 0.002
    sigma_max: float = 80.0
    mean: float = -1.2
    std: float = 1.2
    spread: float = 0.1
    relative: float = 0.0
    trajectories: TrajectoryPool | None = None

    def sample_sigma(self, count: int, generator: Generator) -> Tensor:
        # One number per sigma selects the distribution and the quantile in it, so that both are stratified.
        uniform = stratified(count, generator)
        low, high = torch.tensor([self.sigma_min, self.sigma_max], dtype=torch.float64).log()
        log_uniform = low + uniform / self.spread * (high - low)
        log_normal = self.mean + self.std * torch.special.ndtri((uniform - self.spread) / (1 - self.spread))
        return torch.where(uniform < self.spread, log_uniform, log_normal).clamp(low, high).exp().float()

    def weight(self, sigma: Tensor) -> Tensor:
        return (sigma**2 + self.sigma_data**2) / (sigma * self.sigma_data) ** 2
