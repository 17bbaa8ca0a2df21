"""PSLD: latent DPS with a gluing term between decoder and encoder (Rout et al. 2023, 2307.00619, algorithm 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from restore.guidance.guidance import Guidance, Ranges
from restore.guidance.latents import OnLatents
from restore.operators.krylov import dot
from restore.operators.operator import Linear
from restore.priors.latent.decoded import Decoded
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler


@dataclass(frozen=True)
class PSLD(OnLatents):
    """After an unguided step, with x0 = G(D(z)):

        z' <- z' - c grad_z (eta |y - A x0| + gamma |D(z) - E(A+ y + x0 - A+ A x0)|),   c = sqrt((1 + sigma^2)(1 + s'^2))

    The second term asks for latents that are the code of their own picture once y is put into it. c converts the paper's step
    to z = z_t / a_t as in `DPS`. Norms as in the authors' program; the paper's text squares them. A+ takes the place of A', to
    which it is equal for masks.

    Attributes:
        eta, gamma: the authors' 1 and 0.1.
    """

    inside: ClassVar[type] = Linear
    steps: ClassVar[int] = 200
    ranges: ClassVar[Ranges] = {"eta": (0, math.inf), "gamma": (0, math.inf)}
    eta: float = 1.0
    gamma: float = 0.1

    def preset(self, quality: Literal["fast", "balanced", "best"]) -> tuple[Guidance, int]:
        return self, {"fast": 50, "balanced": 200, "best": 1000}[quality]

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
        operator: Decoded = problem.operator
        inside = operator.inside
        with torch.enable_grad():
            at = x.detach().requires_grad_()
            z0 = prior(at, sigma)
            x0 = operator.decode(z0)
            explained = inside(x0)
            glued = x0 + inside.pinv(problem.y - explained)
            total = self.eta * _length(problem.y - explained) + self.gamma * _length(z0 - operator.encode(glued))
            (gradient,) = torch.autograd.grad(total, at)
        found = z0.detach()
        z_next = sampler(
            lambda at, level: found if at is x and level is sigma else prior(at, level), x, sigma, sigma_next, noise
        )
        return z_next - ((1 + sigma**2) * (1 + sigma_next**2)).sqrt() * gradient


def _length(r: Tensor) -> Tensor:
    """The sum of the norms of the pictures of a batch; 0 has the gradient 0."""
    return dot(r, r).clamp_min(torch.finfo(r.dtype).tiny).sqrt().sum()
