"""No guidance: the prior by itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from restore.guidance.guidance import Estimator
from restore.operators.mask import Mask
from restore.priors.prior import Prior
from restore.problem import Problem


@dataclass(frozen=True)
class Unconditional(Estimator):
    """The estimate is D itself; the measurement is ignored."""

    def estimate(self, problem: Problem, prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
        return prior(x, sigma)


def nothing_measured(shape: tuple[int, ...], *, start: Tensor | None = None, device: torch.device | None = None) -> Problem:
    """A problem without information, for sampling from the prior alone: the operator masks every pixel.

    Args:
        shape: (B, C, H, W) of the pictures.
        start: see `Problem`.
        device: of the measurement.
    """
    lost = Mask(torch.zeros(1, 1, *shape[-2:], dtype=torch.bool))
    return Problem(torch.zeros(shape, device=device), lost, 0.0, shape, start)
