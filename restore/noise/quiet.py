"""An upper bound on the noise of a picture, from where it is quietest."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW, STRIDE = 8, 4  # Pixels.
SHARE = 0.02  # Of the windows that are quieter than the answer.
ROWS = 512  # Rows of a picture at a time.


def quiet_deviation(pixels: Tensor) -> float:
    """The standard deviation within windows of 8 x 8 pixels about the plane through each, which 2 % of the windows stay below.

    Noise is everywhere, detail is not, so noise of an even level is hardly above it: 0.95 of white noise. Windows with more
    than a few clipped pixels are left out.

    Args:
        pixels: (1, C, H, W) in [-1, 1].

    Returns: in [-1, 1] units; infinity where there is no window to look at.
    """
    found = []
    for top in range(0, pixels.shape[-2], ROWS):
        band = pixels[..., top : top + ROWS + WINDOW - STRIDE, :].double().transpose(0, 1)
        if min(band.shape[-2:]) < WINDOW:
            continue
        values = F.unfold(band, WINDOW, stride=STRIDE)  # (C, 64, N)
        left = values.square().sum(dim=1) - torch.einsum("kp,cpn->ckn", _planes(), values).square().sum(dim=1)
        unclipped = (values.abs() < 1).double().mean(dim=1).min(dim=0).values > 0.95
        found.append((left / (WINDOW**2 - 3)).mean(dim=0)[unclipped])
    variances = torch.cat(found) if found else torch.empty(0)
    if len(variances) == 0:
        return float("inf")
    return float(variances.kthvalue(1 + int(SHARE * (len(variances) - 1))).values.clamp(min=0).sqrt())


def _planes() -> Tensor:
    """Orthonormal rows (3, 64): a constant, and slopes along rows and columns."""
    slope = torch.linspace(-1, 1, WINDOW, dtype=torch.float64)
    rows = torch.stack(
        [torch.ones(WINDOW, WINDOW, dtype=torch.float64), slope.expand(WINDOW, WINDOW), slope[:, None].expand(WINDOW, WINDOW)]
    )
    return F.normalize(rows.reshape(3, -1), dim=1)
