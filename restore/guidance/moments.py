"""Mean and covariance of p(x0 | x), by Tweedie's formulas."""

from __future__ import annotations

import torch
from torch import Tensor

from restore.priors.prior import Prior


class Moments:
    """E[x0 | x] = D and Cov(x0 | x) = C = sigma^2 dD/dx (second-order Tweedie; Meng et al. 2021, 2111.04726).

    The prior is evaluated once. Each product with C is a vector-Jacobian product through the graph of that evaluation, so C is
    sigma^2 J' for J = dD/dx; the Jacobian of a learned D is not exactly symmetric.

    Args:
        x: (B, C, H, W).
        sigma: () or (B,).

    Attributes:
        mean: D (B, C, H, W).
    """

    def __init__(self, prior: Prior, x: Tensor, sigma: Tensor) -> None:
        with torch.enable_grad():
            self._x = x.detach().requires_grad_()
            self._x0 = prior(self._x, sigma)
        self._variance = sigma**2
        self.mean = self._x0.detach()

    def covariance(self, direction: Tensor) -> Tensor:
        """C v for v (B, C, H, W)."""
        (pulled,) = torch.autograd.grad(self._x0, self._x, direction, retain_graph=True)
        return self._variance * pulled
