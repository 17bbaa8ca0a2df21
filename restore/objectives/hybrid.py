"""The hybrid loss of a DDPM with a learned variance (Nichol & Dhariwal 2021, 2102.09672, section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from restore.objectives.ddpm import DDPMObjective
from restore.objectives.objective import Objective, noise_for, stratified
from restore.priors.families.ddpm import DDPM, Prediction, Reverse
from restore.priors.prior import Prior

BIN = 1 / 255  # Half the distance between two grey levels of 8 bits in [-1, 1].


class ReverseStep(nn.Module):
    """A DDPM as a module that returns its reverse step: one evaluation gives both D and the variance."""

    def __init__(self, prior: DDPM) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, x_t: Tensor, t: Tensor) -> Reverse:
        return self.prior.reverse_step(x_t, t)


@dataclass(frozen=True)
class HybridObjective(Objective):
    """L_simple + share * L_vlb (eq. 16). The gradient of L_vlb does not pass through D, so it trains the variance alone.

    L_vlb is the sum over t of KL(q(x_{t-1} | x_t, x0) | p(x_{t-1} | x_t)); its first term is the negative log-likelihood of
    8-bit pictures (Ho et al. 2020, eq. 13). It is in bits per value, and estimated from one t per picture.

    Attributes:
        alphas_cumprod: (T,), float64.
        prediction: what the network predicts.
        share: lambda in the paper.
    """

    alphas_cumprod: Tensor
    prediction: Prediction = "epsilon"
    share: float = 0.001

    def model_for(self, prior: Prior) -> nn.Module:
        assert isinstance(prior, DDPM)
        return ReverseStep(prior)

    def loss(self, model: Callable[..., Any], clean: Tensor, generator: Generator) -> Tensor:
        abar = self.alphas_cumprod
        t = (len(abar) * stratified(clean.shape[0], generator)).long()
        here, before = abar[t], torch.where(t > 0, abar[(t - 1).clamp(min=0)], 1.0)
        x_t = _column(here.sqrt(), clean) * clean + _column((1 - here).sqrt(), clean) * noise_for(clean, generator)
        step: Reverse = model(x_t, t)
        sigma = ((1 - here) / here).sqrt()
        weight = DDPMObjective(sigma, self.prediction).weight(sigma)
        simple = _column(weight, clean) * (step.x0 - clean).square()

        # KL of two Gaussians; their means differ only through x0 (Ho et al. 2020, eq. 7).
        beta = 1 - here / before
        log_true_variance = _column((beta * (1 - before) / (1 - here)).clamp(min=1e-20).log(), clean)
        difference = _column(before.sqrt() * beta / (1 - here), clean) * (step.x0.detach() - clean)
        log_ratio = step.log_variance - log_true_variance
        divergence = (log_ratio - 1 + (-log_ratio).exp() + difference.square() * (-step.log_variance).exp()) / 2
        nll = discretized_gaussian_nll(clean, step.mean.detach(), step.log_variance)
        first = (t == 0).to(clean.device)[:, None, None, None]
        bound = len(abar) / math.log(2) * torch.where(first, nll, divergence)
        return (simple + self.share * bound).mean()


def discretized_gaussian_nll(clean: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """-log of the mass of N(mean, variance) on the bin of each 8-bit value, in nats (Ho et al. 2020, eq. 13).

    The outermost bins extend to infinity.

    Args:
        clean: values in [-1, 1] that are multiples of 2/255 above -1.
        mean, log_variance: of the shape of `clean`.
    """
    scale = (-log_variance / 2).exp()
    above, below = (torch.special.ndtr((clean + side - mean) * scale) for side in (BIN, -BIN))
    above = torch.where(clean > 1 - BIN, 1.0, above)
    below = torch.where(clean < BIN - 1, 0.0, below)
    return -(above - below).clamp(min=1e-12).log()


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like)[:, None, None, None]
