"""The variational bound (negative ELBO) of a discrete chain: prior term, one KL divergence per step, decoder term."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from restore.errors import PriorError, UsageError
from restore.likelihood.units import GREY, OnStep, ignore, seeded
from restore.priors.families.ddpm import DDPM
from restore.priors.prior import Prior
from restore.sampling import schedules

LOWEST = 0.01  # About DDPM's lowest level, one grey level: below it the decoder of 8-bit samples costs almost no bits.


class Term(NamedTuple):
    """One step of the chain.

    Attributes:
        step: its number; 0 would be the decoder.
        sigma, sigma_next: noise levels before and after the step.
        bits: KL(q(x_next | x, x0) || p(x_next | x)) in bits per dimension, mean over the pictures.
        weight: number of steps it stands for; more than 1 where not all steps were evaluated.
    """

    step: int
    sigma: float
    sigma_next: float
    bits: float
    weight: int


@dataclass(frozen=True)
class Bound:
    """Bits per dimension of N pictures, all (N,) float64 on the CPU: `total` = `prior` + `steps` + `decoder`.

    The mean of `steps` is the weighted sum of `terms`, which begin at the highest noise level.
    """

    total: Tensor
    prior: Tensor
    steps: Tensor
    decoder: Tensor
    terms: tuple[Term, ...]


@torch.no_grad()
def variational_bound(
    prior: Prior,
    x0: Tensor,
    *,
    levels: Tensor | None = None,
    every: int = 1,
    seed: int = 0,
    batch: int = 64,
    on_step: OnStep = ignore,
) -> Bound:
    """An upper bound on the negative log-likelihood of 8-bit pictures (Ho et al. 2020, 2006.11239, eq. 5: L_T + sum L_t + L_0).

    The chain is written in x = x0 + sigma z with sigma falling; the bound does not depend on how x is scaled. The reverse
    steps of a `DDPM` have its own mean and variance. Those of another prior are q(x_next | x, x0 = D), and its decoder has the
    variance of the lowest level. L_0 is the discretised Gaussian of section 3.3. At the highest level p(x) is
    N(0, 1 + sigma^2), DDPM's standard normal rescaled.

    Args:
        x0: (N, C, H, W) in [-1, 1], at values that 8-bit samples take, on the prior's device.
        levels: noise levels of the chain, falling, without 0. By default the trained ones, or 1000 in a geometric sequence
            from sigma_max down to 0.01 (or sigma_min, if that is higher).
        every: evaluate only the middle one of every so many steps and let it stand for all; 1 is the bound itself. The lowest
            2 * `every` steps, where terms change fastest, are always evaluated.
        seed: of the noise; one draw per step and picture.
        batch: pictures per evaluation.
        on_step: called after each evaluation with (evaluations done, total).

    Raises: UsageError for levels that do not fall, or any given to a `DDPM`; PriorError if values are not finite.
    """
    chain = _chain(prior, levels)
    dims = x0[0].numel() * math.log(2)
    top = 1 + chain[0] ** 2
    prior_term = (((chain[0] ** 2 + x0.double() ** 2) / top - 1 - (chain[0] ** 2 / top).log()) / 2).flatten(1).sum(1) / dims
    blocks = _blocks(len(chain) - 1, every)
    total = (len(blocks) + 1) * -(-len(x0) // batch)
    generator, done = seeded(seed), 0
    steps, decoder, terms = torch.zeros(len(x0), dtype=torch.float64), [], []
    for first, after in blocks:
        index, parts = (first + after - 1) // 2, []
        for pictures in x0.split(batch):
            parts.append(_divergence(prior, pictures, chain, index, generator).cpu() / dims)
            on_step(done := done + 1, total)
        bits = torch.cat(parts)
        steps = steps + bits * (after - first)
        number = len(chain) - 1 - index
        terms.append(Term(number, float(chain[index]), float(chain[index + 1]), float(bits.mean()), after - first))
    for pictures in x0.split(batch):
        decoder.append(_decoder(prior, pictures, chain, generator).cpu() / dims)
        on_step(done := done + 1, total)
    last = torch.cat(decoder)
    whole = prior_term.cpu() + steps + last
    if not bool(whole.isfinite().all()):
        raise PriorError("the bound is not finite: the prior returns NaN or infinite values, or a variance of 0")
    return Bound(whole, prior_term.cpu(), steps, last, tuple(terms))


def _chain(prior: Prior, levels: Tensor | None) -> Tensor:
    """The noise levels of the chain, falling, float64 on the CPU."""
    if isinstance(prior, DDPM) and levels is not None:
        raise UsageError("a DDPM has reverse steps between its trained levels only; leave the levels out")
    own = levels if levels is not None else prior.levels
    chain = schedules.geometric(prior.sigma_max, max(prior.sigma_min, LOWEST), 1000)[:-1] if own is None else own
    chain = chain.double().cpu()
    if len(chain) < 2 or not bool((chain[1:] < chain[:-1]).all()) or chain[-1] <= 0:
        raise UsageError("a chain takes two or more noise levels above 0 that fall")
    return chain


def _blocks(count: int, every: int) -> list[tuple[int, int]]:
    """Ranges (first, end) of steps, highest level first: `every` steps each, and single ones for the last 2 * `every`."""
    alone = count if every == 1 else min(count, 2 * every)
    runs = [(first, min(first + every, count - alone)) for first in range(0, count - alone, every)]
    return runs + [(first, first + 1) for first in range(count - alone, count)]


def _divergence(prior: Prior, x0: Tensor, chain: Tensor, index: int, generator: torch.Generator) -> Tensor:
    """KL divergence of one step in nats (b,), between Gaussians with diagonal covariance."""
    sigma, after = float(chain[index]), float(chain[index + 1])
    x = x0 + sigma * torch.randn(x0.shape, generator=generator).to(x0)
    mean, log_variance = _reverse(prior, x, chain, index)
    share = (after / sigma) ** 2
    variance = after**2 * (1 - share)
    distance = (x0 + share * (x - x0) - mean).double() ** 2
    log_ratio = log_variance.double() - math.log(variance)
    return ((log_ratio + (-log_ratio).exp() - 1 + distance * (-log_variance.double()).exp()) / 2).flatten(1).sum(1)


def _decoder(prior: Prior, x0: Tensor, chain: Tensor, generator: torch.Generator) -> Tensor:
    """-log p(x0 | x at the lowest level) in nats (b,): a Gaussian's mass over the grey level, to infinity at -1 and 1."""
    x = x0 + float(chain[-1]) * torch.randn(x0.shape, generator=generator).to(x0)
    mean, log_variance = _reverse(prior, x, chain, len(chain) - 1)
    mean, deviation = mean.double(), (log_variance.double() / 2).exp()
    middle = x0.double()
    low = torch.where(middle < -1 + GREY / 2, -math.inf, (middle - GREY / 2 - mean) / deviation)
    high = torch.where(middle > 1 - GREY / 2, math.inf, (middle + GREY / 2 - mean) / deviation)
    # Intervals above 0 are mirrored, because log Phi is accurate for negative arguments only.
    mirrored = low > 0
    low, high = torch.where(mirrored, -high, low), torch.where(mirrored, -low, high)
    log_low, log_high = torch.special.log_ndtr(low), torch.special.log_ndtr(high)
    return -(log_high + torch.log1p(-(log_low - log_high).exp())).flatten(1).sum(1)


def _reverse(prior: Prior, x: Tensor, chain: Tensor, index: int) -> tuple[Tensor, Tensor]:
    """Mean and log variance (b, C, H, W) of p(x_next | x) for x at chain[index]; of p(x0 | x) at the last."""
    if isinstance(prior, DDPM):
        number = len(chain) - 1 - index
        abar = prior.alphas_cumprod
        scale = float(abar[number - 1].sqrt()) if number > 0 else 1.0
        step = prior.reverse_step(x * float(abar[number].sqrt()), torch.full((len(x),), number))
        return step.mean / scale, step.log_variance - 2 * math.log(scale)
    sigma = float(chain[index])
    denoised = prior(x, sigma)
    if index == len(chain) - 1:
        return denoised, torch.full_like(denoised, 2 * math.log(sigma))
    share = (float(chain[index + 1]) / sigma) ** 2
    variance = float(chain[index + 1]) ** 2 * (1 - share)
    return denoised + share * (x - denoised), torch.full_like(denoised, math.log(variance))
