"""Cheap fills of missing samples: smooth ones, and ones that follow a guide."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


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
    # Push: what is missing here comes from the coarser level.
    fine = F.interpolate(coarse, size=values.shape[-2:], mode="bilinear", align_corners=False)[..., :height, :width]
    return weight * y + (1 - weight) * fine


def guided_fill(values: Tensor, known: Tensor, guide: Tensor, *, contrast: float = 0.05, iterations: int = 60) -> Tensor:
    """Fills unknown samples so that neighbours that look alike in the guide get like values.

    Minimises sum over neighbours w (u_i - u_j)^2 with u fixed at known samples and w = exp(-(g_i - g_j)^2 / 2 contrast^2)
    (Levin, Lischinski & Weiss 2004, "Colorization using optimization", eq. 1, on the 4-neighbour graph), by conjugate gradients
    from coarse to fine.

    Args:
        values: (B, C, H, W).
        known: bool (B or 1, 1, H, W).
        guide: (B, 1, H, W) in [-1, 1].
        contrast: guide difference that separates areas.
        iterations: of conjugate gradients at each size.

    Returns: (B, C, H, W); zeros if nothing is known.
    """
    weight = known.to(values.dtype).expand_as(guide)
    if not bool(weight.any()):
        return torch.zeros_like(values)
    start = pull_push(values, weight.expand_as(values))
    if min(values.shape[-2:]) >= 32:
        share = F.avg_pool2d(weight, 2, ceil_mode=True, count_include_pad=False)
        coarse = F.avg_pool2d(values * weight, 2, ceil_mode=True, count_include_pad=False) / share.clamp_min(1e-12)
        smaller = F.avg_pool2d(guide, 2, ceil_mode=True, count_include_pad=False)
        filled = guided_fill(coarse, share > 0, smaller, contrast=contrast, iterations=iterations)
        finer = F.interpolate(filled, size=values.shape[-2:], mode="bilinear", align_corners=False)
        start = torch.where(known, values, finer)
    return _harmonic(start, ~known.expand_as(guide), guide, contrast, iterations)


def _harmonic(start: Tensor, free: Tensor, guide: Tensor, contrast: float, iterations: int) -> Tensor:
    """Conjugate gradients on the weighted graph Laplacian over the free samples, the others held."""
    below = torch.exp(-((guide[..., 1:, :] - guide[..., :-1, :]) ** 2) / (2 * contrast**2)) + 1e-4
    right = torch.exp(-((guide[..., :, 1:] - guide[..., :, :-1]) ** 2) / (2 * contrast**2)) + 1e-4

    def laplacian(u: Tensor) -> Tensor:
        vertical, horizontal = below * (u[..., 1:, :] - u[..., :-1, :]), right * (u[..., :, 1:] - u[..., :, :-1])
        rows = F.pad(vertical, (0, 0, 1, 0)) - F.pad(vertical, (0, 0, 0, 1))
        return rows + F.pad(horizontal, (1, 0)) - F.pad(horizontal, (0, 1))

    degree = F.pad(below, (0, 0, 1, 0)) + F.pad(below, (0, 0, 0, 1)) + F.pad(right, (1, 0)) + F.pad(right, (0, 1))
    u = start
    residual = -laplacian(u) * free
    scaled = residual / degree
    direction, rho = scaled, (residual * scaled).sum(dim=(1, 2, 3), keepdim=True)
    for _ in range(iterations):
        moved = laplacian(direction) * free
        length = rho / (direction * moved).sum(dim=(1, 2, 3), keepdim=True).clamp_min(1e-20)
        u = u + length * direction
        residual = residual - length * moved
        scaled = residual / degree
        renewed = (residual * scaled).sum(dim=(1, 2, 3), keepdim=True)
        direction, rho = scaled + renewed / rho.clamp_min(1e-20) * direction, renewed
    return u
