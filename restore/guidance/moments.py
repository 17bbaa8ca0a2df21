"""Mean and covariance of the clean picture behind a noisy one."""

from __future__ import annotations

import torch
from torch import Tensor

from restore.priors.prior import Prior


class Moments:
    """E[x0 | x] = D and Cov(x0 | x) = C = sigma^2 dD/dx (second-order Tweedie; Meng et al. 2021, 2111.04726).

    The prior is asked once; every product with C is a vector-Jacobian product through the graph of that one answer. A learned
    Jacobian is not quite symmetric, so C stands for sigma^2 J' here, which is what the chain rule asks for.
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
