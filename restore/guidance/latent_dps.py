"""Latent DPS: the residual's gradient is taken through decoder and network (Chung et al. 2023, 2209.14687, on latents)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from restore.guidance.dps import DPS
from restore.guidance.guidance import Guidance
from restore.guidance.latents import OnLatents


@dataclass(frozen=True)
class LatentDPS(OnLatents, DPS):
    """z' <- z' - zeta sqrt((1 + sigma^2)(1 + s'^2)) grad_z |y - A(G(D(z)))| after an unguided step: `DPS` on `Decoded`, as Rout
    et al. 2023 (2307.00619, eq. 5) call it GML-DPS without its gluing term.

    The norm makes a step's length that of the gradient of a distance, so that it does not grow with the decoder's gain; with
    `annealed` the weight takes A G for an operator of norm 1, which no decoder is.

    Attributes:
        zeta, annealed: as for `DPS`.
    """

    annealed: bool = False

    def preset(self, quality: Literal["fast", "balanced", "best"]) -> tuple[Guidance, int]:
        return self, {"fast": 50, "balanced": 200, "best": 1000}[quality]
