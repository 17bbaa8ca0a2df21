"""What a network is trained to minimise, one class a family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

Denoise = Callable[[Tensor, Tensor], Tensor]


class Objective(ABC):
    """A loss over clean pictures; randomness comes from the generator given, never from global state."""

    @abstractmethod
    def loss(self, denoise: Denoise, clean: Tensor, generator: Generator) -> Tensor:
        """Scalar loss of one batch (B, C, H, W) in [-1, 1]."""


@dataclass(frozen=True)
class EDMObjective(Objective):
    """E lambda(sigma) |D(x0 + sigma z, sigma) - x0|^2, lambda = (sigma^2 + sigma_data^2) / (sigma sigma_data)^2.

    Karras et al. 2022, eq. 2 and table 1. Most levels are log-normal around where pictures are decided; a share is spread
    evenly over the whole trained range in log sigma, so that no level is left untrained.

    Attributes:
        sigma_data, sigma_min, sigma_max: as the prior's.
        mean, std: of log sigma.
        spread: share of levels drawn log-uniformly over [sigma_min, sigma_max].
    """

    sigma_data: float = 0.5
    sigma_min: float = 0.002
    sigma_max: float = 80.0
    mean: float = -1.2
    std: float = 1.2
    spread: float = 0.1

    def loss(self, denoise: Denoise, clean: Tensor, generator: Generator) -> Tensor:
        count = clean.shape[0]
        normal = torch.randn(count, generator=generator)
        uniform, choice = torch.rand(2, count, generator=generator)
        low, high = torch.tensor([self.sigma_min, self.sigma_max]).log()
        log_sigma = torch.where(choice < self.spread, low + uniform * (high - low), self.mean + self.std * normal)
        sigma = log_sigma.clamp(low, high).exp().to(clean.device)
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        noise = _same_in_gray(clean, noise)
        weight = (sigma**2 + self.sigma_data**2) / (sigma * self.sigma_data) ** 2
        error = denoise(clean + sigma[:, None, None, None] * noise, sigma) - clean
        return (weight[:, None, None, None] * error.square()).mean()


def _same_in_gray(clean: Tensor, noise: Tensor) -> Tensor:
    """Gray crops of a colour prior get gray noise: R = G = B stays a subspace the prior knows, see priors/gray.py."""
    if clean.shape[1] == 1:
        return noise
    gray = (clean == clean[:, :1]).flatten(1).all(dim=1)
    return torch.where(gray[:, None, None, None], noise[:, :1].expand_as(noise), noise)
