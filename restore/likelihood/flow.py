"""The log-likelihood of pictures by the instantaneous change of variables along the probability-flow ODE."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from restore.errors import PriorError, UsageError
from restore.likelihood.units import OnStep, ignore, seeded
from restore.priors.prior import Prior


def flow_likelihood(
    prior: Prior,
    x0: Tensor,
    *,
    steps: int = 32,
    probes: int = 1,
    seed: int = 0,
    batch: int = 64,
    on_step: OnStep = ignore,
) -> Tensor:
    """Log density of pictures in nats, under the prior at level sigma_min (Song et al. 2021, 2011.13456, eq. 39).

    With u = log sigma the ODE is dx/du = x - D, and d log p / du = -(dims - tr dD/dx) along it. It is solved from sigma_min up
    to sigma_max, where p is taken as N(0, 1 + sigma^2), by the classical Runge-Kutta method of order 4 in equal steps of u:
    four evaluations per step. The trace is Hutchinson's estimate z' (dD/dx) z with Rademacher z, drawn once per picture
    (Grathwohl et al. 2019, 1810.01367).

    Args:
        x0: (N, C, H, W) in [-1, 1], dequantised if it was 8-bit (see `dequantised`), on the prior's device.
        steps: of the ODE solver.
        probes: number of z per picture; the variance of the estimate falls as 1 / probes.
        seed: of the probes.
        batch: pictures per evaluation.
        on_step: called after each step of each batch with (steps done, total).

    Returns: (N,) float64 on the CPU. The density is that of pictures with noise sigma_min, which is close to that of clean
    pictures only where sigma_min is small against a grey level.
    Raises: UsageError for fewer than 1 step or probe; PriorError if values are not finite.
    """
    if min(steps, probes) < 1:
        raise UsageError(f"steps and probes must be at least 1, got {steps} and {probes}")
    generator, found, done = seeded(seed), [], 0
    for pictures in x0.split(batch):
        signs = (torch.randint(0, 2, (probes, *pictures.shape), generator=generator) * 2 - 1).to(pictures)
        x, change = pictures, torch.zeros(len(pictures), dtype=torch.float64, device=pictures.device)
        low, high = math.log(prior.sigma_min), math.log(prior.sigma_max)
        width = (high - low) / steps
        for index in range(steps):
            u = low + index * width
            # Classical Runge-Kutta step of order 4.
            a, da = _slope(prior, x, u, signs)
            b, db = _slope(prior, x + width / 2 * a, u + width / 2, signs)
            c, dc = _slope(prior, x + width / 2 * b, u + width / 2, signs)
            d, dd = _slope(prior, x + width * c, u + width, signs)
            x = x + width / 6 * (a + 2 * b + 2 * c + d)
            change = change + width / 6 * (da + 2 * db + 2 * dc + dd)
            on_step(done := done + 1, steps * -(-len(x0) // batch))
        variance = 1 + prior.sigma_max**2
        top = -((x.double() ** 2 / variance + math.log(2 * math.pi * variance)) / 2).flatten(1).sum(1)
        found.append((top + change).cpu())
    answer = torch.cat(found)
    if not bool(answer.isfinite().all()):
        raise PriorError("the likelihood is not finite: the prior returns NaN or infinite values, or needs more steps")
    return answer


def _slope(prior: Prior, x: Tensor, u: float, signs: Tensor) -> tuple[Tensor, Tensor]:
    """dx/du (b, C, H, W) and its divergence dims - tr dD/dx (b,)."""
    sigma = min(max(math.exp(u), prior.sigma_min), prior.sigma_max)
    trace = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    with torch.enable_grad():
        at = x.detach().requires_grad_(True)
        denoised = prior(at, sigma)
        for index, z in enumerate(signs):
            (product,) = torch.autograd.grad(denoised, at, z, retain_graph=index < len(signs) - 1)
            trace = trace + (product * z).flatten(1).sum(1).double() / len(signs)
    return x - denoised.detach(), x[0].numel() - trace
