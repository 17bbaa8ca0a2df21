"""Continuous-time diffusions (Song et al. 2021, 2011.13456): variance preserving, sub-variance preserving, exploding."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from restore.errors import PriorError
from restore.priors.families.networked import NetworkPrior, NetworkSettings

EARLIEST = 1e-5  # The smallest t in training: at 0 the score is not defined (appendix C).
LOWEST = 1e-3  # An eighth of a grey level. In float32 lower levels are lost in rounding.
TIMES = 999  # Networks are called with 999 t, the timestep of a chain of 1000 steps, as in DDPM.


class _Preserving(NetworkPrior, ABC):
    """beta(t) = beta_min + t (beta_max - beta_min), so -log alpha(t)^2 = B(t) = t beta_min + t^2 (beta_max - beta_min) / 2.

    x_t = alpha x0 + std z, so x = x_t / alpha and sigma = std / alpha. The network predicts z from x_t and 999 t (the score is
    -z / std), and D = x - sigma z.

    Args:
        network: called with x_t (B, C, H, W) and 999 t (B,).
        beta_min, beta_max: of the linear schedule (section 3.4: 0.1 and 20).
        sigma_min, sigma_max: by default the trained range, t = 1e-5 (but no lower than 0.001) to t = 1.
        Others: see `NetworkPrior`.

    Raises: PriorError unless 0 < beta_min < beta_max.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        beta_min: float = 0.1,
        beta_max: float = 20.0,
        sigma_min: float | None = None,
        sigma_max: float | None = None,
        **others: Unpack[NetworkSettings],
    ) -> None:
        if not 0 < beta_min < beta_max:
            raise PriorError(f"a variance-preserving schedule needs 0 < beta_min < beta_max, got {beta_min} and {beta_max}")
        self.beta_min, self.beta_max = beta_min, beta_max
        super().__init__(
            network,
            sigma_min=max(self._level(EARLIEST), LOWEST) if sigma_min is None else sigma_min,
            sigma_max=self._level(1.0) if sigma_max is None else sigma_max,
            **others,
        )

    def sigma(self, time: Tensor) -> Tensor:
        """std / alpha at t in [0, 1], any shape."""
        return self._sigma(time * self.beta_min + time**2 * (self.beta_max - self.beta_min) / 2)

    def time(self, sigma: Tensor) -> Tensor:
        """t with sigma(t) = sigma, any shape: the positive root of B(t), in the form that is accurate for small sigma."""
        integral = self._integral(sigma)
        root = (self.beta_min**2 + 2 * (self.beta_max - self.beta_min) * integral).sqrt()
        return 2 * integral / (self.beta_min + root)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        alpha = (-self._integral(sigma) / 2).exp()[:, None, None, None]
        return x - sigma[:, None, None, None] * self.ask(alpha * x, TIMES * self.time(sigma))

    def _level(self, time: float) -> float:
        return float(self.sigma(torch.tensor(time, dtype=torch.float64)))

    @abstractmethod
    def _sigma(self, integral: Tensor) -> Tensor:
        """std / alpha as a function of B = -log alpha^2."""

    @abstractmethod
    def _integral(self, sigma: Tensor) -> Tensor:
        """The inverse of `_sigma`."""


class VP(_Preserving):
    """Variance preserving (eq. 11 and 33): std^2 = 1 - alpha^2, so sigma^2 = e^B - 1. The limit of DDPM's chain."""

    def _sigma(self, integral: Tensor) -> Tensor:
        return integral.expm1().sqrt()

    def _integral(self, sigma: Tensor) -> Tensor:
        return (sigma**2).log1p()


class SubVP(_Preserving):
    """Sub-variance preserving (eq. 12 and 33): std = 1 - alpha^2, so sigma = 1 / alpha - alpha = 2 sinh(B / 2)."""

    def _sigma(self, integral: Tensor) -> Tensor:
        return 2 * (integral / 2).sinh()

    def _integral(self, sigma: Tensor) -> Tensor:
        return 2 * (sigma / 2).asinh()


class VE(NetworkPrior):
    """Variance exploding (eq. 9 and 31): x itself, sigma(t) = sigma_min (sigma_max / sigma_min)^t. D = x + sigma^2 s(x, sigma).

    Args:
        network: the score, called with x (B, C, H, W) and sigma (B,).
        levels: the trained levels in any order, if they are discrete; see `Prior`.
        Others: see `NetworkPrior`. The default range is the paper's for [0, 1] pictures, doubled for [-1, 1].
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        sigma_min: float = 0.02,
        sigma_max: float = 100.0,
        levels: Tensor | None = None,
        **others: Unpack[NetworkSettings],
    ) -> None:
        super().__init__(network, sigma_min=sigma_min, sigma_max=sigma_max, **others)
        self.levels = None if levels is None else levels.double().cpu().sort(descending=True).values

    def sigma(self, time: Tensor) -> Tensor:
        """sigma at t in [0, 1], any shape."""
        return self.sigma_min * (time * math.log(self.sigma_max / self.sigma_min)).exp()

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x + sigma[:, None, None, None] ** 2 * self.ask(x, sigma)
