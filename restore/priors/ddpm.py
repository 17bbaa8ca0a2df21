"""DDPM: a network trained on a discrete variance-preserving chain (Ho et al. 2020, 2006.11239)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from restore.errors import PriorError
from restore.priors.prior import Prior

Prediction = Literal["epsilon", "v_prediction", "sample"]


class DDPM(Prior):
    """x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) eps, so x = x_t / sqrt(abar_t) and sigma_t = sqrt((1 - abar_t) / abar_t).

    The network's answer becomes D by its prediction type: epsilon, D = x - sigma eps (eq. 15); v (Salimans & Ho 2022,
    2202.00512, appendix D), D = (x / sqrt(1 + sigma^2) - sigma v) / sqrt(1 + sigma^2); sample, D itself.

    Args:
        network: called with x_t (B, C, H, W) and t (B,); answers (B, C, H, W), or (B, 2C, H, W) when the variance is
            learned too (Nichol & Dhariwal 2021), whose second half is not needed here.
        alphas_cumprod: (T,), abar_t, falling.
        dtype: arithmetic of the network.
    """

    def __init__(
        self,
        network: nn.Module,
        alphas_cumprod: Tensor,
        *,
        prediction: Prediction = "epsilon",
        channels: int = 3,
        multiple_of: int = 1,
        context: int = 64,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if prediction not in ("epsilon", "v_prediction", "sample"):
            raise PriorError(f"unknown prediction type {prediction!r}; known: epsilon, v_prediction, sample")
        self.network, self.prediction, self.dtype = network, prediction, dtype
        self.channels, self.multiple_of, self.context = channels, multiple_of, context
        table = ((1 - alphas_cumprod.double()) / alphas_cumprod.double()).sqrt()
        self.table = table  # Rising in t; float64 on the CPU whatever the network's place and dtype.
        self.levels = table.flip(0)
        self.sigma_min, self.sigma_max = float(table[0]), float(table[-1])

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        time = self._time(sigma)
        sigma = sigma[:, None, None, None]
        norm = (1 + sigma**2).sqrt()
        with torch.autocast(x.device.type, self.dtype, enabled=self.dtype != torch.float32):
            answer = self.network(x / norm, time)
        answer = answer[:, : self.channels].to(x.dtype)
        if self.prediction == "epsilon":
            return x - sigma * answer
        if self.prediction == "v_prediction":
            return (x / norm - sigma * answer) / norm
        return answer

    def _time(self, sigma: Tensor) -> Tensor:
        """t with sigma_t = sigma: exact on trained levels, linear in log sigma between, held at the ends."""
        table, wanted = self.table.log(), sigma.detach().to(self.table).log()
        high = torch.searchsorted(table, wanted).clamp(1, len(table) - 1)
        share = ((wanted - table[high - 1]) / (table[high] - table[high - 1])).clamp(0, 1)
        time = high - 1 + share
        near = time.round()
        # Sigmas travel in float32: what is a trained level up to rounding is that level.
        return torch.where((time - near).abs() < 1e-3, near, time).to(sigma)
