"""EDM's loss (Karras et al. 2022, 2206.00364, eq. 2 and table 1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from restore.training.objectives.objective import Denoising, even
from restore.training.objectives.pnp_states import PnPStates


@dataclass(frozen=True)
class EDMObjective(Denoising):
    """w(sigma) = (sigma^2 + sigma_data^2) / (sigma sigma_data)^2.

    Most levels are log-normal around where pictures are decided; a share is spread evenly over the whole trained range in log
    sigma, so that no level is left untrained.

    Attributes:
        sigma_data, sigma_min, sigma_max: as the prior's.
        mean, std: of log sigma.
        spread: share of levels drawn log-uniformly over [sigma_min, sigma_max].
        relative: the floor f of a loss of relative errors, as `Denoising.relative` has it; 0 for none.
        walks: pictures on their way through plug-and-play, as `Denoising.walks` has it.
    """

    sigma_data: float = 0.5
    sigma_min: float = 0.002
    sigma_max: float = 80.0
    mean: float = -1.2
    std: float = 1.2
    spread: float = 0.1
    relative: float = 0.0
    walks: PnPStates | None = None

    def levels(self, count: int, generator: Generator) -> Tensor:
        # One number a level decides between the two laws and where in it, so that both are covered evenly.
        uniform = even(count, generator)
        low, high = torch.tensor([self.sigma_min, self.sigma_max], dtype=torch.float64).log()
        wide = low + uniform / self.spread * (high - low)
        near = self.mean + self.std * torch.special.ndtri((uniform - self.spread) / (1 - self.spread))
        return torch.where(uniform < self.spread, wide, near).clamp(low, high).exp().float()

    def weight(self, sigma: Tensor) -> Tensor:
        return (sigma**2 + self.sigma_data**2) / (sigma * self.sigma_data) ** 2
