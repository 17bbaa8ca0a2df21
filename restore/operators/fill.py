"""A cheap smooth fill of missing samples by an image pyramid."""

from __future__ import annotations

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
