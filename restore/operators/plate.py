"""Fills holes by a thin plate under tension, for the initial estimate of inpainting."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.operators.fill import pull_push
from restore.operators.krylov import relax

TENSION = 0.03  # Relative to a stiffness of 1. Beyond 0.03^-0.5 = 6 pixels the plate behaves like a membrane.


def plate_fill(y: Tensor, weight: Tensor, *, iterations: int = 10) -> Tensor:
    """Fills samples of weight 0 by a thin plate under tension through the others.

    Minimises TENSION u' L u + |D^-1 L u|^2, L the Laplacian of the 4-neighbour grid and D its diagonal, by conjugate gradients
    from coarse to fine. Only unknown samples are computed, so the cost is that of the hole, not of the picture.

    Args:
        y: (B, C, H, W); values where weight is 0 do not matter.
        weight: the same shape, 0 or 1.
        iterations: of conjugate gradients at full size, doubled at each coarser one, where they cost little, so that the
            solution also converges in large holes.

    Returns: y where weight is 1, a smooth continuation elsewhere; zeros if nothing is known.
    """
    planes, known = y.flatten(0, 1), weight.flatten(0, 1) > 0
    return torch.stack([_filled(*one, iterations) for one in zip(planes, known, strict=True)]).view_as(y)


def _filled(y: Tensor, known: Tensor, iterations: int) -> Tensor:
    """One plane (H, W), starting from the solution at half the size."""
    if bool(known.all()):
        return y
    weight = known.to(y.dtype)[None, None]
    if min(y.shape) < 8:
        start = pull_push(y[None, None], weight)[0, 0]
    else:
        share = F.avg_pool2d(weight, 2, ceil_mode=True, count_include_pad=False)
        coarse = F.avg_pool2d(y * weight, 2, ceil_mode=True, count_include_pad=False) / share.clamp_min(1e-12)
        smaller = _filled(coarse[0, 0], share[0, 0] > 0, 2 * iterations)
        start = F.interpolate(smaller[None, None], size=y.shape, mode="bilinear", align_corners=False)[0, 0]
        start = y.where(known, start)
    return _relaxed(start, ~known, iterations)


def _relaxed(u: Tensor, free: Tensor, iterations: int) -> Tensor:
    """Conjugate gradients over the free samples of a plane (H, W), with the others fixed."""
    # With a frame of one sample on each side, neighbours are at constant offsets; samples of the frame have no edges.
    frame, inside = F.pad(u, (1, 1, 1, 1)).flatten(), F.pad(torch.ones_like(u), (1, 1, 1, 1)).flatten()
    steps = torch.tensor([1, -1, u.shape[1] + 2, -u.shape[1] - 2], device=u.device)[:, None]
    at = F.pad(free, (1, 1, 1, 1)).flatten().nonzero()[:, 0]
    near = torch.zeros_like(inside, dtype=torch.bool)
    near[at] = True
    near[(at + steps).flatten()] = True
    around = (near & (inside > 0)).nonzero()[:, 0]  # The free samples and their neighbours, whose Laplacian changes with them.
    to_at, to_around = _numbers(at, len(frame)), _numbers(around, len(frame))
    neighbours, degree = around + steps, inside[around + steps].sum(dim=0)
    bent = degree * frame[around] - frame[neighbours].sum(dim=0)
    here, beside = to_around[at], to_around[at + steps]
    moved, moved_beside = to_at[around], to_at[neighbours]

    def laplacian(values: Tensor) -> Tensor:
        """The Laplacian at `around`, of values at the free samples and zero elsewhere."""
        padded = F.pad(values, (0, 1))
        return degree * padded[moved] - padded[moved_beside].sum(dim=0)

    def gradient(bent: Tensor) -> Tensor:
        """Half the gradient of the energy at the free samples, from the Laplacian at `around`."""
        padded = F.pad(bent / degree.clamp_min(1) ** 2, (0, 1))  # A single sample has no neighbours.
        return TENSION * bent[here] + degree[here] * padded[here] - padded[beside].sum(dim=0)

    found = relax(lambda v: gradient(laplacian(v)), torch.zeros_like(frame[at]), -gradient(bent), iterations, inner=torch.dot)
    return u.masked_scatter(free, u[free] + found)


def _numbers(places: Tensor, size: int) -> Tensor:
    """The inverse of a list of places: the index of each place in it, (size,); the list's length for places not in it."""
    numbers = torch.full((size,), len(places), dtype=torch.long, device=places.device)
    numbers[places] = torch.arange(len(places), device=places.device)
    return numbers
