"""An upper bound on the noise of a picture, from where it is quietest."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.noise.model import NoiseModel, basis

WINDOW, STRIDE = 8, 4  # Pixels.
SHARE, NORMAL = 0.02, -2.054  # Of the windows that are quieter than the answer, and that quantile of the normal law.
ROWS = 512  # Rows of a picture at a time.


def quiet_share(pixels: Tensor, model: NoiseModel, known: Tensor | None = None) -> float:
    """How strong noise can be at most, as a share of what a model says.

    Noise is everywhere, detail is not. In each window of 8 x 8 pixels the variance about the plane through it is compared with
    what the model predicts for its brightness; 2 % of the windows lie below the answer. Of the model's own noise as many lie
    below a known quantile: the variance is a weighted sum of squares of Gaussians, taken for a chi-squared variable of the same
    mean and variance (Satterthwaite 1946) with the quantile of Wilson & Hilferty (1931), and the answer is divided by it.
    Windows with more than a few clipped pixels, or with any unknown ones, are left out.

    Args:
        pixels: (1, C, H, W) in [-1, 1].
        known: bool (1, 1, H, W), false at pixels that are no part of the picture.

    Returns: of the deviation; infinity where there is no window to look at.
    """
    variances, freedom = _expected(model)
    ratios = []
    for left, mean, whole in _windows(pixels, known):
        deviation = model.deviation_at(mean[None, :, :, None])[0, :, :, 0]
        ratios.append((left.sum(dim=0) / (deviation.square() * variances[:, None]).sum(dim=0).clamp_min(1e-12))[whole])
    found = torch.cat(ratios) if ratios else torch.empty(0)
    if len(found) == 0:
        return math.inf
    spread = 2 / (9 * freedom)
    quantile = (1 - spread + NORMAL * math.sqrt(spread)) ** 3
    lowest = found.kthvalue(1 + int(SHARE * (len(found) - 1))).values.clamp_min(0)
    return math.sqrt(float(lowest) / quantile)


def _expected(model: NoiseModel) -> tuple[Tensor, float]:
    """The variance of each channel about a window's plane, (C,), at a deviation of 1; and degrees of freedom of their sum."""
    reach = [side // 2 for side in model.correlation.shape[1:]]
    place = torch.arange(WINDOW**2)
    down, across = (axis[:, None] - axis for axis in (place // WINDOW, place % WINDOW))
    near = (down.abs() <= reach[0]) & (across.abs() <= reach[1])
    covariance = torch.zeros(len(model.correlation), WINDOW**2, WINDOW**2, dtype=torch.float64)
    covariance[:, near] = model.correlation.double()[:, down[near] + reach[0], across[near] + reach[1]]
    planes = _planes()
    rest = torch.eye(WINDOW**2, dtype=torch.float64) - planes.T @ planes
    covariance = rest @ covariance @ rest
    traces = covariance.diagonal(dim1=1, dim2=2).sum(dim=1)
    variances = torch.einsum("kc,k->c", basis(len(traces)).double().square(), traces) / (WINDOW**2 - 3)
    return variances, float(traces.sum().square() / covariance.square().sum())


def _windows(pixels: Tensor, known: Tensor | None) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Of windows, some at a time: variance about the plane and mean of each channel, (C, N), and whether to look at them."""
    for top in range(0, pixels.shape[-2], ROWS):
        rows = slice(top, top + ROWS + WINDOW - STRIDE)
        band = pixels[..., rows, :].double().cpu().transpose(0, 1)
        if min(band.shape[-2:]) < WINDOW:
            continue
        values = F.unfold(band, WINDOW, stride=STRIDE)  # (C, 64, N)
        left = values.square().sum(dim=1) - torch.einsum("kp,cpn->ckn", _planes(), values).square().sum(dim=1)
        whole = (values.abs() < 1).double().mean(dim=1).min(dim=0).values > 0.95
        if known is not None:
            whole &= F.unfold(known[..., rows, :].double().cpu(), WINDOW, stride=STRIDE)[0].min(dim=0).values > 0
        yield left / (WINDOW**2 - 3), values.mean(dim=1), whole


def _planes() -> Tensor:
    """Orthonormal rows (3, 64): a constant, and slopes along rows and columns."""
    slope = torch.linspace(-1, 1, WINDOW, dtype=torch.float64)
    rows = torch.stack(
        [torch.ones(WINDOW, WINDOW, dtype=torch.float64), slope.expand(WINDOW, WINDOW), slope[:, None].expand(WINDOW, WINDOW)]
    )
    return F.normalize(rows.reshape(3, -1), dim=1)
