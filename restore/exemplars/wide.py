"""Which holes are wide."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor


def widest(hole: Tensor) -> float:
    """The diameter in pixels of the largest disc within a mask, bool (H, W); what lies beyond the border counts as hole."""
    return 2 * float(depth(hole).max()) if bool(hole.any()) else 0.0


def wide_holes(hole: Tensor, width: float) -> Tensor:
    """bool (H, W): the parts of a mask where discs of this diameter fit, with what lies around these within the diameter."""
    cores = depth(hole).numpy() >= width / 2
    if not cores.any():
        return torch.zeros_like(hole)
    away = cv2.distanceTransform((~cores).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return hole & torch.from_numpy(away <= width)


def depth(hole: Tensor) -> Tensor:
    """Distance (H, W) in pixels of each pixel of a mask, bool (H, W), to the nearest outside it; 0 outside."""
    mask = hole.cpu().numpy().astype(np.uint8)
    if mask.all():
        return torch.full(mask.shape, max(mask.shape) / 2)
    return torch.from_numpy(np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_5), np.float32))
