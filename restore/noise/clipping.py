"""Noise that the ends of the range cut off: a sample at an end says only that picture and noise lie beyond it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

END = 1 - 1e-6  # Of the range [-1, 1], but for rounding.
LEAST = 1e-4  # Deviation, so that a law without noise at some brightness divides by no zero.
FEW = 1e-3  # Share of samples at an end, from which on they count.


def is_clipped(y: Tensor) -> bool:
    """Whether more than a few samples of a picture in [-1, 1] lie at an end of the range."""
    return float((y.abs() >= END).float().mean()) > FEW


def uncensored(y: Tensor, x: Tensor, deviation: Tensor | float) -> Tensor:
    """The measurement with its clipped samples replaced by their mean before clipping, given the picture.

    y = clip(x + n) is censored data (Tobin 1958, "Estimation of relationships for limited dependent variables"): a sample of 1
    says that x + n >= 1. Given x, its mean is that of a truncated normal law, x + s phi(a) / Phi(-a) with a = (1 - x) / s, and
    the same mirrored at -1. To estimate x from that and to repeat is EM (Dempster, Laird & Rubin 1977).

    Args:
        y: (B, C, H, W) in [-1, 1], clipped there.
        x: an estimate of the clean picture, of the same shape.
        deviation: s, of the noise before clipping; a number, or one for each sample.
    """
    clipped = y.abs() >= END
    spread = torch.as_tensor(deviation).to(y).clamp_min(LEAST).expand_as(y)[clipped].double()
    end, near = y[clipped].sign().double(), x[clipped].double()
    beyond = ((end - near) * end / spread).clamp(-30, 30)  # a.
    # The inverse of Mills's ratio, by logarithms, as densities far in the tail are below the least number.
    hazard = torch.exp(-(beyond**2) / 2 - 0.5 * math.log(2 * math.pi) - torch.special.log_ndtr(-beyond))
    return y.masked_scatter(clipped, (near + end * spread * hazard).to(y))
