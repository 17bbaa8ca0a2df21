"""DDPM's simple loss (Ho et al. 2020, 2006.11239, eq. 14), for each prediction type."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from restore.objectives.objective import DenoisingObjective, stratified
from restore.priors.families.ddpm import Prediction


@dataclass(frozen=True)
class DDPMObjective(DenoisingObjective):
    """E |eps - eps_theta|^2 with t uniform over the steps; of v or x0 instead, if the network predicts that.

    D - x0 is -sigma (eps_theta - eps), -std (v_theta - v) or x0_theta - x0, std^2 = sigma^2 / (1 + sigma^2).

    Attributes:
        table: (T,), sigma_t of each step.
        prediction: what the network predicts.
    """

    table: Tensor
    prediction: Prediction = "epsilon"

    def sample_sigma(self, count: int, generator: Generator) -> Tensor:
        return self.table[(len(self.table) * stratified(count, generator)).long()].float()

    def weight(self, sigma: Tensor) -> Tensor:
        if self.prediction == "epsilon":
            return 1 / sigma**2
        return 1 + 1 / sigma**2 if self.prediction == "v_prediction" else torch.ones_like(sigma)
