"""The loop: guided reverse diffusion along a schedule of noise levels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor

from restore.guidance.guidance import Guidance
from restore.priors.prior import Prior
from restore.problem import Kind, Problem
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler, begin


def reverse(
    problem: Problem[Kind],
    prior: Prior,
    guidance: Guidance[Kind],
    sampler: Sampler,
    schedule: Tensor,
    noise: Noise,
    *,
    settled: Callable[[Tensor], bool] | None = None,
) -> Iterator[Tensor]:
    """Yields x after every transition of the schedule; the last is the answer.

    Progress, previews, cancelling and early stopping belong to whoever holds the iterator.

    Args:
        schedule: levels on the picture's device, ending at 0; where it climbs, noise is added (RePaint's travel).
        noise: one generator per picture of the batch.
        settled: asked before each step down, with its level; where it says so, that step goes to 0 and is the last.

    Raises: OperatorError, at the first step, if the guidance cannot use the problem's operator.
    """
    guidance.check(problem)
    x = guidance.start(problem, schedule[0], noise)
    transition = begin(sampler)
    climbs = (
        schedule[1:] > schedule[:-1]
    ).tolist()  # Asked once: every look at a number on a GPU waits for all that it has to do.
    for (sigma, sigma_next), up in zip(pairwise(schedule), climbs, strict=True):
        if up:
            x = x + (sigma_next**2 - sigma**2).sqrt() * noise(x)
            transition = begin(sampler)  # What a sampler remembers of a descent is of no use in the next.
            last = False
        else:
            last = settled is not None and settled(sigma)
            x = guidance.step(problem, prior, transition, x, sigma, torch.zeros_like(sigma) if last else sigma_next, noise)
        yield guidance.picture(problem, x)
        if last:
            return
