"""A prior asked about a turned or mirrored picture, another way at each level."""

from __future__ import annotations

import torch
from torch import Tensor

from restore.priors.prior import Prior


class Turned(Prior):
    """T' D(T x, sigma) with T one of the eight symmetries of the square, chosen by sigma.

    Pictures are about as likely either way round, so every T gives as good an answer; a method that asks many times along a
    path averages out what the network prefers in one direction, at no cost (the "periodical self-ensemble" of Zhang et al.
    2021, 2008.13751, section 4.2).
    """

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior
        self.channels, self.multiple_of, self.context = prior.channels, prior.multiple_of, prior.context
        self.sigma_min, self.sigma_max, self.levels = prior.sigma_min, prior.sigma_max, prior.levels
        self.sigma_start = prior.sigma_start

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        # A path falls by some tenths of log sigma a step: sixteenths change the symmetry at each.
        turn = round(float(sigma[0].log()) * 16) % 8
        answer = self.prior(_turned(x, turn), sigma)
        return torch.rot90(answer.flip(-1) if turn >= 4 else answer, -turn % 4, (-2, -1))


def _turned(x: Tensor, turn: int) -> Tensor:
    x = torch.rot90(x, turn % 4, (-2, -1))
    return x.flip(-1) if turn >= 4 else x
