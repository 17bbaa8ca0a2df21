"""Self-ensembles: a prior asked about rotated and mirrored pictures, one orientation a level or all at once."""

from __future__ import annotations

import torch
from torch import Tensor

from restore.priors.prior import Prior
from restore.priors.view import PriorView


class PeriodicalSelfEnsemble(PriorView):
    """T' D(T x, sigma), with T one of the eight symmetries of the square, another at each level.

    Every orientation of a photograph is about as likely as it is upright, so every T gives as good an answer. A method that
    asks at many levels averages out what the network prefers in one direction, at no cost (Zhang et al. 2021, 2008.13751,
    section 4.2).
    """

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        # Schedules fall by some tenths of log sigma a step: counting sixteenths changes the symmetry at each.
        level = torch.as_tensor(sigma).flatten()[0]
        return _in_orientation(self.prior, x, sigma, round(float(level.log()) * 16) % 8)


class GeometricSelfEnsemble(PriorView):
    """The mean of T' D(T x, sigma) over the eight symmetries T of the square, for eight evaluations.

    (Lim et al. 2017, 1707.02921, section 3.4.)
    """

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        total = _in_orientation(self.prior, x, sigma, 0)
        for orientation in range(1, 8):
            total = total + _in_orientation(self.prior, x, sigma, orientation)
        return total / 8


def _in_orientation(prior: Prior, x: Tensor, sigma: Tensor | float, orientation: int) -> Tensor:
    """D of x rotated by `orientation` quarter turns, mirrored too from 4 on, and brought back."""
    mirrored = orientation >= 4
    x = torch.rot90(x, orientation % 4, (-2, -1))
    x0: Tensor = prior(x.flip(-1) if mirrored else x, sigma)
    return torch.rot90(x0.flip(-1) if mirrored else x0, -orientation % 4, (-2, -1))
