"""Self-ensembles: a prior evaluated on rotated and mirrored pictures, one orientation per noise level or all at once."""

from __future__ import annotations

import torch
from torch import Tensor

from restore.priors.prior import Prior
from restore.priors.view import PriorView


class PeriodicalSelfEnsemble(PriorView):
    """T' D(T x, sigma) with T one of the eight symmetries of the square, which changes with the noise level.

    Every orientation of a photograph is about equally likely, so D is about as accurate for every T. A method that evaluates
    the prior at many levels averages out its directional bias at no cost (Zhang et al. 2021, 2008.13751, section 4.2).
    """

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        # Schedules fall by some tenths in log sigma per step, so rounding to sixteenths changes the symmetry in each.
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
    """T' D(T x): T rotates by `orientation` quarter turns, and mirrors, too, from 4 on."""
    mirrored = orientation >= 4
    x = torch.rot90(x, orientation % 4, (-2, -1))
    x0: Tensor = prior(x.flip(-1) if mirrored else x, sigma)
    return torch.rot90(x0.flip(-1) if mirrored else x0, -orientation % 4, (-2, -1))
