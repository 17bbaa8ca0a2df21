"""The loss of autoencoders: squared error and the cost of the code (Rombach et al. 2022, 2112.10752, section 3.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from restore.objectives.objective import Objective


@dataclass(frozen=True)
class CodecObjective(Objective):
    """E |G(z) - x|^2 + weight * cost, means over the values of a picture.

    The paper adds a perceptual and an adversarial loss, which make decoded pictures sharp where the code does not say what is
    there. Restored pictures are measured, so what is decoded here is the mean.

    Attributes:
        weight: of the code's cost (`Coded.cost`).
    """

    weight: float

    def loss(self, model: Callable[..., Any], clean: Tensor, generator: Generator) -> Tensor:
        seed = int(torch.randint(2**62, (), generator=generator))
        coded = model(clean, seed)
        errors = (coded.x - clean).square().mean(dim=(1, 2, 3))
        return (errors + self.weight * coded.cost).mean()
