"""TDS: the twisted diffusion sampler, a particle filter (Wu et al. 2023, 2306.17775, algorithm 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from restore.errors import PriorError
from restore.guidance.guidance import Guidance, Ranges
from restore.guidance.moments import Moments
from restore.guidance.twist import FullTwist, IterativeTwist, Twist
from restore.operators.krylov import square_root
from restore.operators.operator import Linear
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler

DIVERGED = 1e3  # A value beyond this, in units of [-1, 1] pictures, means that the run has diverged.


@dataclass(frozen=True)
class TDS(Guidance[Linear]):
    """Sequential Monte Carlo with K particles, which converges to the posterior as K grows, for every prior.

    The twisting function psi(x) = N(y; A D, A C A' + sigma_y^2) with C = sigma^2 dD/dx approximates p(y | x). These are MMPS's
    moments; the paper has a scalar in place of C. The paper's ancestral step has too little variance where steps are large
    (see `MMPS`). Here the prior's transition p and the proposal q draw the clean picture:

        p(x' | x):  x' = rho x + (1 - rho) x0 + s' sqrt(1 - rho) z,    x0 ~ N(D, C),    rho = s'^2 / sigma^2,
        q(x' | x):  the same with x0 ~ N(D, C) given y.

    By Bayes' rule q(x' | x) = p(x' | x) p(y | x', x) / psi(x), so no density of a step is needed and the weight is

        p(x' | x) psi(x') / (q(x' | x) psi(x)) = psi(x') / p(y | x', x):

    the likelihood of y at x' over its prediction from x. For Gaussian pictures it is 1 at every number of steps. Given x,
    x' is a second observation of x0: g = (x' - rho x) / (1 - rho) with precision (1 - rho) / s'^2 = 1 / s'^2 - 1 / sigma^2;
    see `Twist`.

    Systematic resampling follows where the effective sample size is below `share` K, with each picture's own generator. It
    comes after the transition, so copies of a particle are equal until the next one. At the last level one particle is drawn
    by weight, and its x0 is the result.

    The state is (B, K, 1 + C H W): the logarithm of each particle's weight, then its x. The weight in the state lacks
    psi(x), which is computed with D(x) in the next step. The prior is evaluated on B K pictures together. The operator must
    treat every picture alike. The sampler is not used.

    The defaults are for learned priors, as those of `MMPS` are, and for a run of about a minute.

    Attributes:
        particles: K.
        share: of K; particles are resampled where the effective sample size is below it.
        spread: Lanczos steps for drawing x0, one vector-Jacobian product each. The weights do not correct their error. 0 is the
            paper's step.
        iterations: of the solver.
        dense: the largest number of measurements per picture for which the matrices are formed and psi is exact. Beyond it the
            linear systems are solved iteratively and determinants are left out.
        gmres: solve by GMRES, for Jacobians that are not symmetric; otherwise by conjugate gradients.

    Raises: PriorError at the end of a run that diverged, as with conjugate gradients where a Jacobian is far from symmetric.
    """

    needs: ClassVar[type] = Linear
    steps: ClassVar[int] = 100
    ranges: ClassVar[Ranges] = {
        "particles": (1, math.inf),
        "share": (0, 1),
        "spread": (0, math.inf),
        "iterations": (1, math.inf),
        "dense": (0, math.inf),
    }
    particles: int = 4
    share: float = 0.5
    spread: int = 2
    iterations: int = 3
    dense: int = 16
    gmres: bool = True

    def start(self, problem: Problem[Linear], sigma: Tensor, noise: Noise) -> Tensor:
        size = math.prod(problem.shape[1:])
        like = torch.empty(problem.shape[0], self.particles, size, dtype=problem.y.dtype, device=problem.y.device)
        drawn = sigma * noise(like)
        if problem.start is not None:
            drawn = drawn + problem.start.expand(problem.shape).reshape(problem.shape[0], 1, size)
        return _packed(torch.zeros_like(like[..., 0]), drawn)

    def picture(self, problem: Problem[Linear], state: Tensor) -> Tensor:
        return state[:, 0, 1:].reshape(problem.shape)

    def step(
        self,
        problem: Problem[Linear],
        prior: Prior,
        sampler: Sampler,
        x: Tensor,
        sigma: Tensor,
        sigma_next: Tensor,
        noise: Noise,
    ) -> Tensor:
        weight, x = x[..., 0], x[..., 1:]
        moments = Moments(prior, x.reshape(-1, *problem.shape[1:]), sigma)
        twist = self.twist(problem, moments, sigma)
        seen = twist.seen().reshape(weight.shape)
        weight = weight + seen
        uniform = torch.special.ndtr(noise(weight[:, :1].double()))
        x0 = self._drawn(problem, twist, moments.mean, x, noise)
        if sigma_next == 0:
            chosen = _spread(weight, uniform, 1).expand_as(weight)
            if not float(x0.abs().max()) < DIVERGED:
                why = "" if self.gmres else ": conjugate gradients need a symmetric Jacobian, gmres=1 does not"
                raise PriorError(f"tds diverged on this prior{why}; more iterations may help, or use mmps")
            return _packed(torch.zeros_like(weight), _taken(x0.reshape(x.shape), chosen))

        rho, z = (sigma_next / sigma) ** 2, noise(x)
        deviation = sigma_next * (1 - rho).sqrt()
        if self.spread:
            g = x0 + deviation / (1 - rho) * z.reshape(x0.shape)
            change = -twist.foretold(g, (1 - rho) / sigma_next**2).reshape(weight.shape)
        else:
            shift = (1 - rho) * (x0 - moments.mean).reshape(x.shape) / deviation  # From p's mean to q's, over the deviation.
            change = -(z * shift).sum(dim=2) - shift.square().sum(dim=2) / 2 - seen
        x = rho * x + (1 - rho) * x0.reshape(x.shape) + deviation * z

        worth = weight.softmax(dim=1).square().sum(dim=1, keepdim=True).reciprocal()
        poor = worth < self.share * self.particles
        ancestors = torch.where(poor, _spread(weight, uniform, self.particles), torch.arange(self.particles, device=x.device))
        weight = torch.where(poor, 0.0, weight) + change.take_along_dim(ancestors, dim=1)
        return _packed(weight, _taken(x, ancestors))

    def twist(self, problem: Problem[Linear], moments: Moments, sigma: Tensor) -> Twist:
        """The twisting functions of the B K pictures of `moments`."""
        y = problem.y.repeat_interleave(len(moments.mean) // len(problem.y), dim=0)
        if y[0].numel() <= self.dense:
            return FullTwist(problem, moments, y, self.iterations, gmres=self.gmres)
        return IterativeTwist(problem, moments, y, self.iterations, sigma**2 / (1 + sigma**2), gmres=self.gmres)

    def _drawn(self, problem: Problem[Linear], twist: Twist, mean: Tensor, like: Tensor, noise: Noise) -> Tensor:
        """Samples of x0 given x and y, (B K, C, H, W)."""
        if not self.spread:
            return twist.conditioned(mean, twist.y)
        x0 = mean + square_root(twist.moments.covariance, noise(like).reshape(mean.shape), self.spread)
        y = twist.y
        if problem.sigma_y > 0:
            y = y + problem.sigma_y * noise(y.reshape(*like.shape[:2], -1)).reshape(y.shape)
        return twist.conditioned(x0, y)


def _spread(weight: Tensor, uniform: Tensor, count: int) -> Tensor:
    """Systematic resampling: indices (B, count) of ancestors, from log weights (B, K) and uniform numbers (B, 1)."""
    heap = weight.double().softmax(dim=1).cumsum(dim=1)
    places = (uniform + torch.arange(count, device=weight.device)) / count
    return torch.searchsorted(heap, places).clamp(max=weight.shape[1] - 1)


def _taken(values: Tensor, ancestors: Tensor) -> Tensor:
    return values.take_along_dim(ancestors[..., None], dim=1)


def _packed(weight: Tensor, x: Tensor) -> Tensor:
    return torch.cat([weight[..., None], x], dim=2)
