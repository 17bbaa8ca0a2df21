"""DDRM: one transition for each singular value (Kawar et al. 2022, "Denoising diffusion restoration models", 2201.11793)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from restore.guidance.guidance import Guidance, Ranges
from restore.operators.operator import Spectral
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler


@dataclass(frozen=True)
class DDRM(Guidance[Spectral]):
    """In the basis V of A = U diag(s) V', with c = V'x, d = V'D and m = U'y / s, whose noise is n = sigma_y / s:

        s = 0:    c' ~ N(d + sqrt(1 - eta^2) s' (c - d) / sigma, eta^2 s'^2)
        n > s':   c' ~ N(d + sqrt(1 - eta^2) s' (m - d) / n, eta^2 s'^2)
        n <= s':  c' ~ N((1 - eta_b) d + eta_b m, s'^2 - eta_b^2 n^2)

    Here s' = sigma_next; the paper, too, writes x = x0 + sigma z. The first state is drawn by the third line with
    eta_b = 1 and s' = sigma, and from N(0, sigma^2) where s = 0 or n > sigma. Where s = 0 the step is DDIM's with a
    standard deviation of eta s' for the fresh noise. The sampler is not used.

    Attributes:
        eta, eta_b: the paper's 0.85 and 1.
    """

    needs: ClassVar[type] = Spectral
    steps: ClassVar[int] = 20
    ranges: ClassVar[Ranges] = {"eta": (0, 1), "eta_b": (0, 1)}
    eta: float = 0.85
    eta_b: float = 1.0

    def start(self, problem: Problem[Spectral], sigma: Tensor, noise: Noise) -> Tensor:
        operator = problem.operator
        x = super().start(problem, sigma, noise)
        drawn = x if problem.start is None else x - problem.start
        c, m, n = operator.vt(x), *_measured(operator, problem)
        known = m + (1 - (n / sigma) ** 2).clamp(min=0).sqrt() * operator.vt(drawn)
        return x + operator.v(torch.where(n <= sigma, known, c) - c)

    def step(
        self,
        problem: Problem[Spectral],
        prior: Prior,
        sampler: Sampler,
        x: Tensor,
        sigma: Tensor,
        sigma_next: Tensor,
        noise: Noise,
    ) -> Tensor:
        operator = problem.operator
        x0, z = prior(x, sigma), noise(x)
        kept, fresh = (1 - self.eta**2) ** 0.5 * sigma_next, self.eta * sigma_next
        unseen = x0.lerp(x, (kept / sigma).to(x.dtype)).addcmul_(z, fresh.to(x.dtype))
        d, (m, n), z = operator.vt(x0), _measured(operator, problem), operator.vt(z)
        # Lines 2 and 3 of the formula in one interpolation, with coefficients that depend on whether n > s'.
        above = n > sigma_next
        towards = torch.where(above, kept / n.clamp_min(torch.finfo(n.dtype).tiny), self.eta_b)
        deviation = torch.where(above, fresh, (sigma_next**2 - (self.eta_b * n) ** 2).clamp(min=0).sqrt())
        found = d.lerp(m, towards.to(d.dtype)).addcmul_(z, deviation.to(d.dtype))
        return unseen + operator.v(found - operator.vt(unseen))


def _measured(operator: Spectral, problem: Problem[Spectral]) -> tuple[Tensor, Tensor]:
    """m = U'y / s and n = sigma_y / s."""
    s = operator.s.to(problem.y)
    return operator.ut(problem.y) / s, problem.sigma_y / s
