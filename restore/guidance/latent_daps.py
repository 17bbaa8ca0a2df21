"""LatentDAPS: decoupled annealing with dynamics on latents (Zhang et al. 2025, 2407.01521, section 3.4)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from restore.guidance.daps import DAPS
from restore.guidance.guidance import POSITIVE, Ranges
from restore.guidance.latents import OnLatents
from restore.operators.krylov import dot
from restore.problem import Problem


@dataclass(frozen=True)
class LatentDAPS(OnLatents, DAPS):
    """`DAPS` on `Decoded`: z0 ~ N(z0; O(z), r^2) N(y; A(G(z0)), sigma_y^2) by Langevin dynamics through the decoder.

    The step size is h = rate / (1 / r^2 + g / sigma_y^2) with g the square of the largest singular value of d A(G(z0)) / dz0 at
    the start, by `power` iterations; for operators of norm 1, as `DAPS` takes them, g would be 1. A decoder's is larger.

    Attributes:
        power: iterations, of one decoding and one gradient each.
        langevin: fewer than on pixels, as each step decodes.
        Others: see `DAPS`.
    """

    steps: ClassVar[int] = 50
    best: ClassVar[int] = 200
    ranges: ClassVar[Ranges] = {
        "ode": (1, math.inf),
        "langevin": (0, math.inf),
        "rate": (POSITIVE, 1),
        "floor": (POSITIVE, math.inf),
        "power": (1, math.inf),
    }
    langevin: int = 20
    power: int = 5

    def gain(self, problem: Problem, x0: Tensor) -> Tensor:
        with torch.enable_grad():
            at = x0.detach().requires_grad_()
            explained = problem.operator(at)
        # Of the same length everywhere, so that no direction is left out by chance of a picture's size.
        v = torch.ones_like(x0) + 0.5 * torch.linspace(-1, 1, x0[0].numel(), device=x0.device, dtype=x0.dtype).view_as(x0[:1])
        step = 1e-2 if x0.dtype != torch.float64 else 1e-5
        found = torch.ones_like(dot(v, v))
        for _ in range(self.power):
            v = v / dot(v, v).sqrt()
            # A difference in place of a derivative: not all layers of a decoder have forward derivatives.
            forward = (problem.operator(x0 + step * v) - explained.detach()) / step
            (v,) = torch.autograd.grad(explained, at, forward, retain_graph=True)
            found = dot(v, v).sqrt()
        return found
