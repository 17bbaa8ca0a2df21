"""A prior asked about turned and mirrored pictures: another way at each level, or all ways at once."""

from __future__ import annotations

import torch
from torch import Tensor

from restore.priors.prior import Prior


class PeriodicalSelfEnsemble(Prior):
    """T' D(T x, sigma) with T one of the eight symmetries of the square, chosen by sigma.

    Pictures are about as likely either way round, so every T gives as good an answer; a method that asks many times along a
    path averages out what the network prefers in one direction, at no cost (the "periodical self-ensemble" of Zhang et al.
    2021, 2008.13751, section 4.2).
    """

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior
        like_of(self, prior)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        # A path falls by some tenths of log sigma a step: sixteenths change the symmetry at each.
        return _turned(self.prior, x, sigma, round(float(sigma[0].log()) * 16) % 8)


class GeometricSelfEnsemble(Prior):
    """The mean of T' D(T x, sigma) over the eight symmetries T of the square, for eight evaluations.

    The "geometric self-ensemble" of Lim et al. 2017 (1707.02921, section 3.4): what the network prefers in one direction
    averages out at every level, where `PeriodicalSelfEnsemble` needs many levels for it.
    """

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior
        like_of(self, prior)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        answer = _turned(self.prior, x, sigma, 0)
        for turn in range(1, 8):
            answer = answer + _turned(self.prior, x, sigma, turn)
        return answer / 8


def like_of(view: Prior, prior: Prior) -> None:
    """Gives a view of a prior the prior's sizes and range."""
    view.channels, view.multiple_of, view.context = prior.channels, prior.multiple_of, prior.context
    view.sigma_min, view.sigma_max, view.levels = prior.sigma_min, prior.sigma_max, prior.levels
    view.sigma_start = prior.sigma_start


def _turned(prior: Prior, x: Tensor, sigma: Tensor, turn: int) -> Tensor:
    """D asked about x turned by quarters, and mirrored from 4 on, and turned back."""
    x = torch.rot90(x, turn % 4, (-2, -1))
    answer = prior(x.flip(-1) if turn >= 4 else x, sigma)
    return torch.rot90(answer.flip(-1) if turn >= 4 else answer, -turn % 4, (-2, -1))
