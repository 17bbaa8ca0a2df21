"""How likely a table is, by the coefficients of a decoded picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from restore.operators.jpeg import tables

ROUNDING = 0.6  # Grey levels: deviation of a coefficient by what a decoder and a conversion to RGB and back rounded.
STRAY = 0.02  # Share of coefficients that are far from a multiple, as where samples were clipped.


def fits(coefficients: Tensor, which: int, qualities: Sequence[int], rounding: float = ROUNDING) -> Tensor:
    """(64, Q) log-likelihood ratios of each frequency and quality, against coefficients that lie anywhere.

    Args:
        coefficients: (N, 64).
        which: 0 for the table of luma, 1 for that of chroma.
        qualities: Q of them.
        rounding: deviation of coefficients in grey levels.
    """
    candidates = torch.stack([tables(quality)[which].flatten() for quality in qualities])  # (Q, 64)
    ratios = torch.zeros(64, len(qualities))
    for i in range(1 - which, 64):  # Not the mean of luma, which is alike in all blocks of a plain picture.
        values = coefficients[:, i]
        values = values[values.abs() > 2 * rounding]
        steps, where = candidates[:, i].float().unique(return_inverse=True)
        if len(values):
            ratios[i] = evidence(values, steps, rounding)[where]
    return ratios


def evidence(values: Tensor, steps: Tensor, rounding: float) -> Tensor:
    """Log-likelihood ratios (S,) that values (N,) are multiples of each of some steps (S,), with rounding errors."""
    step = steps[:, None]
    away = values - (values / step).round() * step
    density = torch.exp(-((away / rounding) ** 2) / 2) / (rounding * np.sqrt(2 * np.pi))
    # Fine steps: errors reach the next multiple, and the density becomes even.
    density = torch.where(step < 4 * rounding, torch.minimum(density, 1 / step), density)
    return ((1 - STRAY) * step * density + STRAY).log().sum(dim=1)
