"""Conversion from densities of pictures in [-1, 1] to bits per dimension of 8-bit pictures."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

GREY = 1 / 127.5  # One grey level in [-1, 1] units.


def bits_per_dim(log_density: Tensor, dimensions: int) -> Tensor:
    """Bits per dimension (N,) of 8-bit pictures, from log densities (N,) in nats of pictures in [-1, 1].

    The probability of a sample is taken as its density times the width of a grey level. For uniformly dequantised samples the
    mean is an upper bound on the discrete model's bits (Theis et al. 2016, 1511.01844, section 3.1).
    """
    return -log_density / (dimensions * math.log(2)) - math.log2(GREY)


def dequantised(x0: Tensor, generator: torch.Generator) -> Tensor:
    """8-bit pictures (N, C, H, W) in [-1, 1] plus uniform noise of mean 0, one grey level wide."""
    drawn = torch.rand(x0.shape, generator=generator, dtype=x0.dtype)
    return x0 + (drawn - 0.5).to(x0.device) * GREY


def eight_bit(pixels: Tensor) -> Tensor:
    """Pictures in [-1, 1] rounded to the nearest values that 8-bit samples take."""
    return ((pixels.clamp(-1, 1) + 1) * 127.5).round() * GREY - 1


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


OnStep = Callable[[int, int], None]  # Called with (done, total).


def ignore(done: int, total: int) -> None:
    """The `OnStep` that does nothing."""
