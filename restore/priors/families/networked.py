"""What all priors with a network inside have in common: its sizes, its range, its arithmetic."""

from __future__ import annotations

from abc import ABC

import torch
from torch import Tensor, nn
from typing_extensions import TypedDict

from restore.priors.prior import Prior


class NetworkSettings(TypedDict, total=False):
    """What every family takes beside its own keywords and its range; `NetworkPrior` says what each is and stands at."""

    channels: int
    multiple_of: int
    context: int
    sigma_start: float | None
    dtype: torch.dtype


class NetworkPrior(Prior, ABC):
    """A prior that asks one network. Families differ in how x and sigma reach it, and in what its answer means.

    Args:
        network: called with a picture (B, C, H, W) and a level or time (B,), in the family's own coordinates.
        channels, multiple_of, context, sigma_min, sigma_max, sigma_start: see `Prior`.
        dtype: arithmetic of the network (autocast); what stands around it keeps the dtype of x.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        channels: int = 3,
        multiple_of: int = 1,
        context: int = 64,
        sigma_min: float = 0.002,
        sigma_max: float = 80.0,
        sigma_start: float | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.network, self.dtype = network, dtype
        self.channels, self.multiple_of, self.context = channels, multiple_of, context
        self.sigma_min, self.sigma_max, self.sigma_start = sigma_min, sigma_max, sigma_start

    def ask(self, x: Tensor, level: Tensor) -> Tensor:
        """The network's answer to a scaled picture and a level (B,), in the dtype of x."""
        with torch.autocast(x.device.type, self.dtype, enabled=self.dtype != torch.float32):
            answer: Tensor = self.network(x, level)
        return answer.to(x.dtype)
