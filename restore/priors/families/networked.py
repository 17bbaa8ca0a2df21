"""The base class of priors with a network: its sizes, range of sigma and dtype."""

from __future__ import annotations

from abc import ABC

import torch
from torch import Tensor, nn
from typing_extensions import TypedDict

from restore.device.dtype import of_hardware
from restore.priors.prior import Prior


class NetworkSettings(TypedDict, total=False):
    """The keywords common to all families, apart from the range of sigma; see `NetworkPrior`."""

    channels: int
    multiple_of: int
    context: int
    sigma_start: float | None
    dtype: torch.dtype | None


class NetworkPrior(Prior, ABC):
    """A prior with one network. Families differ in how x and sigma enter it, and in what its output is.

    Args:
        network: called with a picture (B, C, H, W) and a level or time (B,), in the family's own coordinates.
        channels, multiple_of, context, sigma_min, sigma_max, sigma_start: see `Prior`.
        dtype: of the network (autocast). With None it is bfloat16 where the hardware multiplies it and `amplifies_rounding` is
            False, else float32. The family's own arithmetic stays in the dtype of x.

    Attributes:
        amplifies_rounding: whether the network's output enters D with a factor that grows with sigma, as a noise or a score
            does. Its rounding error, a relative 2^-8 in bfloat16, then grows too, and at high levels exceeds the range of a
            picture.
    """

    amplifies_rounding: bool = True  # Unless a family says otherwise.

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
        dtype: torch.dtype | None = torch.float32,
    ) -> None:
        super().__init__()
        self.network, self.dtype = network, dtype
        self.channels, self.multiple_of, self.context = channels, multiple_of, context
        self.sigma_min, self.sigma_max, self.sigma_start = sigma_min, sigma_max, sigma_start

    def effective_dtype(self, device: torch.device) -> torch.dtype:
        """The dtype that the network computes in on a device."""
        if self.dtype is not None:
            return self.dtype
        return torch.float32 if self.amplifies_rounding else of_hardware(device)

    def ask(self, x: Tensor, level: Tensor) -> Tensor:
        """The network's output (B, C, H, W) for a scaled picture and a level (B,), in the dtype of x."""
        dtype = self.effective_dtype(x.device)
        with torch.autocast(x.device.type, dtype, enabled=dtype != torch.float32):
            answer: Tensor = self.network(x, level)
        return answer.to(x.dtype)
