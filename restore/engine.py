"""The loop: guided reverse diffusion along a schedule of noise levels."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor

from restore.guidance.guidance import Guidance
from restore.priors.prior import Prior
from restore.problem import Kind, Problem
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler, begin


def reverse(
    problem: Problem[Kind], prior: Prior, guidance: Guidance[Kind], sampler: Sampler, schedule: Tensor, noise: Noise
) -> Iterator[Tensor]:
    """Yields the pictures (B, C, H, W) after every transition of the schedule; the last are the result.

    The caller counts, displays and cancels.

    Args:
        schedule: noise levels (steps + 1,) on the picture's device, ending at 0; where they rise, noise is added (RePaint's
            resampling).
        noise: one generator per picture of the batch.

    Raises: OperatorError, at the first step, if the guidance cannot use the problem's operator.
    """
    guidance.check(problem)
    x = guidance.start(problem, schedule[0], noise)
    transition = begin(sampler)
    # Compared all at once, because reading a number from a GPU waits for its whole queue.
    climbs = (schedule[1:] > schedule[:-1]).tolist()
    for (sigma, sigma_next), up in zip(pairwise(schedule), climbs, strict=True):
        if up:
            x = x + (sigma_next**2 - sigma**2).sqrt() * noise(x)
            transition = begin(sampler)  # A multistep sampler's history is not valid after sigma has risen.
        else:
            x = guidance.step(problem, prior, transition, x, sigma, sigma_next, noise)
        yield guidance.picture(problem, x)
