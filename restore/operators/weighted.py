"""A constraint on a measurement whose values carry weights."""

from __future__ import annotations

import torch
from torch import Tensor

from restore.operators.constraint import Constraint
from restore.operators.turning import Box


class Weighted(Constraint):
    """{w y: y in the set}, for weights w > 0 of each value, as `OpenBlur` has them.

    Points are nearest in y, not in w y: a set that couples values, such as the cells of a JPEG, has no closed form for the
    latter. Both are the same where weights are.

    Args:
        constraint: the set.
        weights: (1 or B, 1 or C, H, W).
    """

    def __init__(self, constraint: Constraint, weights: Tensor) -> None:
        self.constraint, self.weights = constraint, weights
        self.instead_of_noise = constraint.instead_of_noise

    def project(self, y: Tensor) -> Tensor:
        weights = self.weights.to(y)
        return weights * self.constraint.project(y / weights)

    def prox(self, v: Tensor, rho: Tensor | float) -> Tensor:
        weights = self.weights.to(v)
        return weights * self.constraint.prox(v / weights, rho)

    def to(self, device: torch.device) -> Weighted:
        return Weighted(self.constraint.to(device), self.weights.to(device))

    def crop(self, box: Box) -> Weighted | None:
        top, bottom, left, right = box
        part = self.constraint.crop(box)
        return None if part is None else Weighted(part, self.weights[..., top:bottom, left:right])
