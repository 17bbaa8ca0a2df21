"""The likelihood of a picture by the change of variables along the probability-flow ODE."""

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
    """Log density of pictures at the prior's lowest level (Song et al. 2021, 2011.13456, eq. 39), in nats.

    With u = log sigma the flow is dx/du = x - D, and d log p / du = -(dims - tr dD/dx) along it, from sigma_min up to
    sigma_max, where p is taken as N(0, 1 + sigma^2). The trace is Hutchinson's, z' (dD/dx) z with signs z drawn once a picture
    (Grathwohl et al. 2019, 1810.01367). Fourth-order Runge-Kutta in equal steps of u: four evaluations a step.

    Args:
        x0: (N, C, H, W) in [-1, 1], dequantised if it was 8-bit (see `dequantised`), on the prior's device.
        steps: of the ODE.
        probes: signs drawn; more lower the variance of the answer as 1 / probes.
        on_step: called after each step of each batch.

    Returns: (N,) float64 on the CPU. Where sigma_min is not small against a grey level, the density is that of a blurred model.
    Raises: UsageError for fewer than 1 step or probe; PriorError if values are not finite.
    """
    if min(steps, probes) < 1:
        raise UsageError(f"steps and probes are at least 1, got {steps} and {probes}")
    generator, found, done = seeded(seed), [], 0
    for pictures in x0.split(batch):
        signs = (torch.randint(0, 2, (probes, *pictures.shape), generator=generator) * 2 - 1).to(pictures)
        x, change = pictures, torch.zeros(len(pictures), dtype=torch.float64, device=pictures.device)
        low, high = math.log(prior.sigma_min), math.log(prior.sigma_max)
        width = (high - low) / steps
        for index in range(steps):
            u = low + index * width
            # Classical fourth order.
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
        raise PriorError("the likelihood is not finite: the prior answers NaN or infinite values, or needs more steps")
    return answer


def _slope(prior: Prior, x: Tensor, u: float, signs: Tensor) -> tuple[Tensor, Tensor]:
    """dx/du, and the divergence of that: dims - tr dD/dx (b,)."""
    sigma = min(max(math.exp(u), prior.sigma_min), prior.sigma_max)
    trace = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    with torch.enable_grad():
        at = x.detach().requires_grad_(True)
        denoised = prior(at, sigma)
        for index, z in enumerate(signs):
            (product,) = torch.autograd.grad(denoised, at, z, retain_graph=index < len(signs) - 1)
            trace = trace + (product * z).flatten(1).sum(1).double() / len(signs)
    return x - denoised.detach(), x[0].numel() - trace
