"""DDPM's simple loss (Ho et al. 2020, 2006.11239, eq. 14), for each thing that a network may predict."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from restore.priors.families.ddpm import Prediction
from restore.training.objectives.objective import Denoising, even


@dataclass(frozen=True)
class ChainObjective(Denoising):
    """E |eps - eps_theta|^2 with t uniform over the chain, or the same of v or x0, by what the network predicts.

    D - x0 is -sigma (eps_theta - eps), -std (v_theta - v) or x0_theta - x0, std^2 = sigma^2 / (1 + sigma^2).

    Attributes:
        table: (T,), sigma_t.
        prediction: as the prior's.
    """

    table: Tensor
    prediction: Prediction = "epsilon"

    def levels(self, count: int, generator: Generator) -> Tensor:
        return self.table[(len(self.table) * even(count, generator)).long()].float()

    def weight(self, sigma: Tensor) -> Tensor:
        if self.prediction == "epsilon":
            return 1 / sigma**2
        return 1 + 1 / sigma**2 if self.prediction == "v_prediction" else torch.ones_like(sigma)
