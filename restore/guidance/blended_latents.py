"""Blended latent diffusion: known cells of latents are replaced in every step (Avrahami et al. 2023, 2206.02779)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.guidance.guidance import POSITIVE, Ranges
from restore.guidance.latents import OnLatents
from restore.guidance.sdedit import levels_for
from restore.operators.mask import Mask
from restore.priors.latent.decoded import Decoded
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling import schedules
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler


@dataclass(frozen=True)
class BlendedLatents(OnLatents):
    """One unguided transition, then the known cells of z' become E(x_y) + s' n, with s' = sigma_next (algorithm 1 of the
    paper: z_t <- z_fg m + z_bg (1 - m)). It is RePaint (Lugmayr et al. 2022, 2201.09865) in latents, with its resampling for
    repeat > 1.

    x_y is the known picture with its holes filled by the operator's initial estimate: an encoder that saw holes would carry
    them into the cells around. A cell is known if all of its pixels are. Noise of the known pixels counts for content.

    Attributes:
        strength: share of the prior's noise levels that is used. Below 1 the picture's start, or the initial estimate, shows
            through where it is repainted.
        margin: cells around holes that are generated too.
        jump, repeat: see `schedules.travel`.
    """

    inside: ClassVar[type] = Mask
    ranges: ClassVar[Ranges] = {
        "strength": (POSITIVE, 1),
        "margin": (0, math.inf),
        "jump": (1, math.inf),
        "repeat": (1, math.inf),
    }
    strength: float = 1.0
    margin: int = 0
    jump: int = 10
    repeat: int = 1

    def schedule(self, prior: Prior, problem: Problem[Decoded], steps: int) -> Tensor:
        return schedules.travel(levels_for(prior, steps, self.strength), min(self.jump, steps), self.repeat)

    def step(
        self,
        problem: Problem[Decoded],
        prior: Prior,
        sampler: Sampler,
        x: Tensor,
        sigma: Tensor,
        sigma_next: Tensor,
        noise: Noise,
    ) -> Tensor:
        z_next = sampler(prior, x, sigma, sigma_next, noise)
        known = torch.addcmul(problem.operator.initial_estimate(problem.y).to(x), noise(x), sigma_next.to(x.dtype))
        return z_next.lerp(known, known_cells(problem.operator, self.margin).to(x))  # The weights are 0 and 1.


def known_cells(operator: Decoded, margin: int = 0) -> Tensor:
    """The cells of latents that a mask leaves whole, bool (1 or B, 1, h, w), with `margin` fewer cells around every hole."""
    mask = operator.inside
    assert isinstance(mask, Mask)
    factor, lost = operator.codec.factor, (~mask.keep).any(dim=1, keepdim=True).float()
    height, width = operator.codec.cells(*operator.size)
    lost = F.pad(lost, (0, width * factor - lost.shape[-1], 0, height * factor - lost.shape[-2]))
    lost = F.max_pool2d(lost, factor)
    return F.max_pool2d(lost, 2 * margin + 1, stride=1, padding=margin) == 0
