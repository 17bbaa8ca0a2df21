"""Cheap interpolation of missing samples: smooth, or along the edges of a guide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.operators.krylov import relax


def pull_push(y: Tensor, weight: Tensor) -> Tensor:
    """Fills samples of weight 0 from a pyramid of weighted averages (Gortler et al. 1996, section 3.5).

    Args:
        y: (B, C, H, W); values where weight is 0 do not matter.
        weight: the same shape, in [0, 1].

    Returns: y where weight is 1, a smooth continuation elsewhere; zeros if nothing is known.
    """
    height, width = y.shape[-2:]
    if not bool((weight == 0).any()):
        return y
    if height <= 1 and width <= 1:
        return y * weight
    # Pull: 2x2 weighted means; the weight of a cell saturates, so one known sample is enough to fill it.
    bottom, right = height % 2, width % 2
    values = F.pad(y * weight, (0, right, 0, bottom))
    weights = F.pad(weight, (0, right, 0, bottom))
    total = 4 * F.avg_pool2d(weights, 2)
    coarse = 4 * F.avg_pool2d(values, 2) / total.clamp_min(1e-12)
    coarse = pull_push(coarse * (total > 0), total.clamp_max(1))
    # Push: missing samples come from the coarser level.
    fine = F.interpolate(coarse, size=values.shape[-2:], mode="bilinear", align_corners=False)[..., :height, :width]
    return weight * y + (1 - weight) * fine


def guided_fill(values: Tensor, known: Tensor, guide: Tensor, *, iterations: int = 60) -> Tensor:
    """Fills unknown samples so that neighbours with similar guide values get similar values.

    The fill is a membrane, which stays in the range of the known samples but has cusps there. Near known samples it is the mean
    of the membrane and a plate, which is smooth at known samples but overshoots far from them; their errors partly cancel.

    Args:
        values: (B, C, H, W).
        known: bool (B or 1, 1, H, W).
        guide: (B, 1, H, W) in [-1, 1].
        iterations: of conjugate gradients at each size.

    Returns: (B, C, H, W); zeros if nothing is known.
    """
    weight = known.to(values.dtype).expand_as(guide)
    if not bool(weight.any()):
        return torch.zeros_like(values)
    membrane = _coarse_to_fine(values, weight, guide, Energy(contrast=0.05), iterations)
    plate = _coarse_to_fine(values, weight, guide, Energy(contrast=0.2, plate=1.0, membrane=0.003), iterations)
    return membrane + _near(weight) / 2 * (plate - membrane)


def _near(weight: Tensor, reach: int = 8) -> Tensor:
    """1 within `reach` pixels of a known sample, falling to 0 at twice that distance."""
    side = 2 * reach + 1
    reached = F.max_pool2d(weight, side, stride=1, padding=reach)
    return F.avg_pool2d(reached, side, stride=1, padding=reach, count_include_pad=False)


@dataclass(frozen=True)
class Energy:
    """membrane * u' L u + plate * |D^-1 L u|^2, L the graph Laplacian of the 4-neighbour graph and D its diagonal.

    Weights are exp(-(g_i - g_j)^2 / 2 contrast^2), g the guide. D^-1 L u is what Levin, Lischinski & Weiss 2004 ("Colorization
    using optimization", eq. 1) square and sum; with both terms it is a thin plate under tension, which beyond
    (plate / membrane)^0.5 pixels behaves like a membrane.

    Attributes:
        contrast: guide difference that separates areas.
    """

    contrast: float
    membrane: float = 1.0
    plate: float = 0.0

    def operator(self, guide: Tensor) -> tuple[Callable[[Tensor], Tensor], Tensor]:
        """The symmetric operator of this quadratic form, and a diagonal preconditioner for it; guide (B, 1, H, W)."""
        below = torch.exp(-((guide[..., 1:, :] - guide[..., :-1, :]) ** 2) / (2 * self.contrast**2)) + 1e-3
        right = torch.exp(-((guide[..., :, 1:] - guide[..., :, :-1]) ** 2) / (2 * self.contrast**2)) + 1e-3
        degree = F.pad(below, (0, 0, 1, 0)) + F.pad(below, (0, 0, 0, 1)) + F.pad(right, (1, 0)) + F.pad(right, (0, 1))

        def laplacian(u: Tensor) -> Tensor:
            vertical, horizontal = below * (u[..., 1:, :] - u[..., :-1, :]), right * (u[..., :, 1:] - u[..., :, :-1])
            rows = F.pad(vertical, (0, 0, 1, 0)) - F.pad(vertical, (0, 0, 0, 1))
            return rows + F.pad(horizontal, (1, 0)) - F.pad(horizontal, (0, 1))

        if self.plate == 0:
            return lambda u: self.membrane * laplacian(u), self.membrane * degree

        def both(u: Tensor) -> Tensor:
            bent = laplacian(u)
            return self.membrane * bent + self.plate * laplacian(bent / degree**2)

        return both, torch.ones_like(degree)


def _coarse_to_fine(values: Tensor, weight: Tensor, guide: Tensor, energy: Energy, iterations: int) -> Tensor:
    """The minimum of the energy with known samples fixed, starting from the solution at half the size."""
    if min(values.shape[-2:]) < 8:
        start = pull_push(values, weight.expand_as(values))
    else:
        share = F.avg_pool2d(weight, 2, ceil_mode=True, count_include_pad=False)
        coarse = F.avg_pool2d(values * weight, 2, ceil_mode=True, count_include_pad=False) / share.clamp_min(1e-12)
        smaller = F.avg_pool2d(guide, 2, ceil_mode=True, count_include_pad=False)
        filled = _coarse_to_fine(coarse, (share > 0).to(weight), smaller, energy, iterations)
        finer = F.interpolate(filled, size=values.shape[-2:], mode="bilinear", align_corners=False)
        start = torch.where(weight > 0, values, finer)
    # Over the free samples, with the others fixed.
    matrix, scale = energy.operator(guide)
    free = weight == 0
    return relax(lambda u: matrix(u) * free, start, -matrix(start) * free, iterations, lambda r: r / scale)
