"""The variational bound of a chain of levels: prior term, a divergence a step, decoder."""

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

LOWEST = 0.01  # Where a chain of DDPM's ends, a grey level: below, the decoder of 8-bit samples would have nothing to decide.


class Term(NamedTuple):
    """One step of the chain.

    Attributes:
        step: its number; 0 is the decoder's.
        sigma, sigma_next: levels it leads from and to.
        bits: KL(q(x_next | x, x0) || p(x_next | x)) in bits a dimension, mean over the pictures.
        weight: how many steps it stands for, where not all were evaluated.
    """

    step: int
    sigma: float
    sigma_next: float
    bits: float
    weight: int


@dataclass(frozen=True)
class Bound:
    """Bits a dimension, all (N,): `total` = `prior` + `steps` + `decoder`; `steps` sums `terms`, highest level first."""

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
    """An upper bound on the bits of 8-bit pictures (Ho et al. 2020, 2006.11239, eq. 5: L_T + sum of L_t + L_0).

    In x = x0 + sigma z the chain is x_next = x0 + noise of a lower level; the bound is the same in every scaling of x. A
    `DDPM` says the mean and variance of its reverse steps; another prior gets those of q(x_next | x, D), and for its decoder
    the variance of the lowest level. L_0 is the discretised Gaussian of section 3.3; at the highest level p is N(0, 1 +
    sigma^2), DDPM's standard normal.

    Args:
        x0: (N, C, H, W) in [-1, 1], values that 8-bit samples have, on the prior's device.
        levels: of the chain, falling, without 0; the trained ones by default, or 1000 in equal ratios down to 0.01.
        every: of each so many steps evaluate the middle one, which stands for all; 1 is the bound itself. The lowest 2 `every`
            steps, where terms change fastest, are all evaluated.
        seed: of the noise; one draw a step and picture.
        on_step: called after each batch of a step.

    Raises: UsageError if a `DDPM` is asked for other levels than its own; PriorError if values are not finite.
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
        raise PriorError("the bound is not finite: the prior answers NaN or infinite values, or a variance of 0")
    return Bound(whole, prior_term.cpu(), steps, last, tuple(terms))


def _chain(prior: Prior, levels: Tensor | None) -> Tensor:
    """Falling float64 levels."""
    if isinstance(prior, DDPM) and levels is not None:
        raise UsageError("a DDPM's reverse steps are those between its trained levels; leave the levels out")
    own = levels if levels is not None else prior.levels
    chain = schedules.geometric(prior.sigma_max, max(prior.sigma_min, LOWEST), 1000)[:-1] if own is None else own
    chain = chain.double().cpu()
    if len(chain) < 2 or not bool((chain[1:] < chain[:-1]).all()) or chain[-1] <= 0:
        raise UsageError("a chain takes two or more levels above 0 that fall")
    return chain


def _blocks(count: int, every: int) -> list[tuple[int, int]]:
    """Steps from the highest, cut into runs of `every`, the last 2 `every` into single ones."""
    alone = count if every == 1 else min(count, 2 * every)
    runs = [(first, min(first + every, count - alone)) for first in range(0, count - alone, every)]
    return runs + [(first, first + 1) for first in range(count - alone, count)]


def _divergence(prior: Prior, x0: Tensor, chain: Tensor, index: int, generator: torch.Generator) -> Tensor:
    """KL of one step in nats (b,), between Gaussians of independent dimensions."""
    sigma, after = float(chain[index]), float(chain[index + 1])
    x = x0 + sigma * torch.randn(x0.shape, generator=generator).to(x0)
    mean, log_variance = _reverse(prior, x, chain, index)
    share = (after / sigma) ** 2
    variance = after**2 * (1 - share)
    distance = (x0 + share * (x - x0) - mean).double() ** 2
    log_ratio = log_variance.double() - math.log(variance)
    return ((log_ratio + (-log_ratio).exp() - 1 + distance * (-log_variance.double()).exp()) / 2).flatten(1).sum(1)


def _decoder(prior: Prior, x0: Tensor, chain: Tensor, generator: torch.Generator) -> Tensor:
    """-log p(x0 | x at the lowest level) in nats (b,): a Gaussian's mass over the grey level, to infinity at both ends."""
    x = x0 + float(chain[-1]) * torch.randn(x0.shape, generator=generator).to(x0)
    mean, log_variance = _reverse(prior, x, chain, len(chain) - 1)
    mean, deviation = mean.double(), (log_variance.double() / 2).exp()
    middle = x0.double()
    low = torch.where(middle < -1 + GREY / 2, -math.inf, (middle - GREY / 2 - mean) / deviation)
    high = torch.where(middle > 1 - GREY / 2, math.inf, (middle + GREY / 2 - mean) / deviation)
    # Both ends mirrored below 0, where the logarithm of Phi keeps its digits.
    mirrored = low > 0
    low, high = torch.where(mirrored, -high, low), torch.where(mirrored, -low, high)
    log_low, log_high = torch.special.log_ndtr(low), torch.special.log_ndtr(high)
    return -(log_high + torch.log1p(-(log_low - log_high).exp())).flatten(1).sum(1)


def _reverse(prior: Prior, x: Tensor, chain: Tensor, index: int) -> tuple[Tensor, Tensor]:
    """Mean and log variance of p(x_next | x), x at chain[index]; the last step leads to x0 itself."""
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
