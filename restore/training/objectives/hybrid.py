"""The loss of a DDPM that learns its variance, too (Nichol & Dhariwal 2021, 2102.09672, section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from restore.priors.families.ddpm import DDPM, Prediction, Reverse
from restore.priors.prior import Prior
from restore.training.objectives.ddpm import ChainObjective
from restore.training.objectives.objective import Objective, even, noise_for

BIN = 1 / 255  # Half the distance of two grey levels.


class ReverseStep(nn.Module):
    """A DDPM called for its reverse steps, so that one evaluation gives D and the variance."""

    def __init__(self, prior: DDPM) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, x_t: Tensor, t: Tensor) -> Reverse:
        return self.prior.reverse_step(x_t, t)


@dataclass(frozen=True)
class HybridObjective(Objective):
    """L_simple + share * L_vlb, in which D is held fixed in L_vlb, so that it teaches the variance alone (eq. 16).

    L_vlb is the sum over the chain of KL(q(x_{t-1} | x_t, x0) | p(x_{t-1} | x_t)), for t = 0 the code length of 8-bit pictures
    (Ho et al. 2020, eq. 13), in bits per value; one t a picture stands for the sum.

    Attributes:
        alphas_cumprod: (T,), float64.
        prediction: as the prior's.
        share: lambda.
    """

    alphas_cumprod: Tensor
    prediction: Prediction = "epsilon"
    share: float = 0.001

    def asks(self, prior: Prior) -> nn.Module:
        assert isinstance(prior, DDPM)
        return ReverseStep(prior)

    def loss(self, model: Callable[..., Any], clean: Tensor, generator: Generator) -> Tensor:
        abar = self.alphas_cumprod
        t = (len(abar) * even(clean.shape[0], generator)).long()
        here, before = abar[t], torch.where(t > 0, abar[(t - 1).clamp(min=0)], 1.0)
        x_t = _column(here.sqrt(), clean) * clean + _column((1 - here).sqrt(), clean) * noise_for(clean, generator)
        step: Reverse = model(x_t, t)
        sigma = ((1 - here) / here).sqrt()
        weight = ChainObjective(sigma, self.prediction).weight(sigma)
        simple = _column(weight, clean) * (step.x0 - clean).square()

        # KL of two Gaussians whose means differ as their x0 do (Ho et al. 2020, eq. 7).
        beta = 1 - here / before
        log_truth = _column((beta * (1 - before) / (1 - here)).clamp(min=1e-20).log(), clean)
        apart = _column(before.sqrt() * beta / (1 - here), clean) * (step.x0.detach() - clean)
        spread = step.log_variance - log_truth
        divergence = (spread - 1 + (-spread).exp() + apart.square() * (-step.log_variance).exp()) / 2
        length = code_length(clean, step.mean.detach(), step.log_variance)
        first = (t == 0).to(clean.device)[:, None, None, None]
        bound = len(abar) / math.log(2) * torch.where(first, length, divergence)
        return (simple + self.share * bound).mean()


def code_length(clean: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """-log of a Gaussian's mass on the bin of each 8-bit value, in nats; the outer bins reach to infinity (eq. 13).

    Args:
        clean: multiples of 2/255 from -1 to 1; other arguments of its shape.
    """
    scale = (-log_variance / 2).exp()
    above, below = (torch.special.ndtr((clean + side - mean) * scale) for side in (BIN, -BIN))
    above = torch.where(clean > 1 - BIN, 1.0, above)
    below = torch.where(clean < BIN - 1, 0.0, below)
    return -(above - below).clamp(min=1e-12).log()


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like)[:, None, None, None]
