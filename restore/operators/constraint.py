"""Sets that a measurement is known to lie in, where its values are not known exactly."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Constraint(ABC):
    """A closed set of measurements, known by its projection: y lies somewhere in it.

    Quantization is one: a JPEG says in which cell each coefficient lay, not where.

    Attributes:
        instead_of_noise: whether all that is not known of the measurement is where it lies in the set. Otherwise there is noise
            on top.
    """

    instead_of_noise: bool = True

    @abstractmethod
    def project(self, y: Tensor) -> Tensor:
        """The point of the set nearest to y (B, C, H, W); of the same shape."""

    def prox(self, v: Tensor, rho: Tensor | float) -> Tensor:
        """argmin_y -2 log p(y) + rho |y - v|^2 over the set, where the set knows how likely its points are.

        By default all are alike, and this is the projection.

        Args:
            v: (B, C, H, W), as y.
            rho: > 0; a number, () or (B,), in units of 1 / [-1, 1]^2.
        """
        return self.project(v)

    def to(self, device: torch.device) -> Constraint:
        """The same with what it holds on a device."""
        return self

    def crop(self, box: tuple[int, int, int, int]) -> Constraint | None:
        """The same set for a window (top, bottom, left, right) of the measurement, or None if it cannot be cut there."""
        return None
