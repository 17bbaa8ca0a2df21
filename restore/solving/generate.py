"""Unconditional sampling from a prior, with any sampler and schedule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from restore.engine import reverse
from restore.errors import OutOfMemoryError, PriorError, UsageError
from restore.guidance.unconditional import Unconditional, nothing_measured
from restore.priors.prior import Prior
from restore.sampling import schedules
from restore.sampling.noise import Noise, seed_for
from restore.sampling.samplers import Sampler, dpmpp_2m
from restore.wording import called

# A cosine schedule ends at sigma 20,000. Steps at such levels do not improve samples, and with Heun's method they do harm.
HIGHEST = 160.0
SCHEDULES = ("karras", "geometric", "ddpm", "trailing", "leading", "quadratic")


@dataclass(frozen=True)
class Step:
    """The state of one batch after a transition.

    Attributes:
        step, steps: transitions done and in total, over all batches.
        first: index of the batch's first picture.
        sigma: the noise level reached.
        x: (b, C, H, W) at that level; for a prior on latents these, except for the last, which are pictures.
        done: whether this was the batch's last transition.
    """

    step: int
    steps: int
    first: int
    sigma: float
    x: Tensor
    done: bool


def schedule_for(prior: Prior, steps: int = 50, name: str | None = None) -> Tensor:
    """Noise levels (at most steps + 1,) from the prior's highest to 0, at trained levels if these are discrete.

    Args:
        steps: number of transitions.
        name: one of `SCHEDULES`; by default the prior's own spacing of discrete levels, and "karras" for others. "ddpm" is
            DDIM's linear rule. "karras" and "geometric" start at 160 at most, about the highest level of DDPM's linear
            schedule.

    Raises: UsageError for an unknown name, or a schedule of trained levels for a prior that has none.
    """
    if name is None and prior.levels is not None:
        return schedules.ddpm(prior.levels, steps, prior.spacing)
    name = name or "karras"
    if name not in SCHEDULES:
        raise UsageError(f"unknown schedule {name!r}; known: {', '.join(SCHEDULES)}")
    if name in ("karras", "geometric"):
        smooth = schedules.karras if name == "karras" else schedules.geometric
        found = smooth(min(prior.sigma_max, HIGHEST), prior.sigma_min, steps)
        return found if prior.levels is None else schedules.snap(found, prior.levels)
    if prior.levels is None:
        raise UsageError(f"schedule {name!r} is of trained levels, and this prior takes any level; give karras or geometric")
    if name == "quadratic":
        return schedules.quadratic(prior.levels, steps)
    return schedules.ddpm(prior.levels, steps, "linspace" if name == "ddpm" else name)


def sample(
    prior: Prior,
    count: int,
    size: tuple[int, int],
    sampler: Sampler | None = None,
    schedule: Tensor | None = None,
    seed: int = 0,
    *,
    batch: int = 16,
    device: torch.device | None = None,
) -> Tensor:
    """Samples of the prior; arguments and errors as for `stream`.

    Returns: (count, C, H, W) in [-1, 1], on the CPU.
    """
    steps = stream(prior, count, size, sampler, schedule, seed, batch=batch, device=device)
    return torch.cat([step.x.clamp(-1, 1).cpu() for step in steps if step.done])


@torch.no_grad()
def stream(
    prior: Prior,
    count: int,
    size: tuple[int, int],
    sampler: Sampler | None = None,
    schedule: Tensor | None = None,
    seed: int = 0,
    *,
    batch: int = 16,
    device: torch.device | None = None,
) -> Iterator[Step]:
    """Yields the steps of `sample`, batch after batch; leave the loop to stop.

    Args:
        count: number of pictures.
        size: (height, width) in pixels.
        sampler: DPM-Solver++(2M) by default.
        schedule: noise levels that end at 0; by default `schedule_for(prior)`.
        seed: of all noise. The noise of a picture depends on the seed and its index, not on the batch.
        batch: pictures per evaluation of the network.
        device: of the prior; the CPU by default.

    Raises: UsageError for counts below 1; OutOfMemoryError if a batch does not fit; PriorError if values are not finite.
    """
    if min(count, batch, *size) < 1:
        raise UsageError(f"count, batch, height and width must be at least 1, got {count}, {batch}, {size[0]} and {size[1]}")
    schedule = schedule_for(prior) if schedule is None else schedule
    total = -(-count // batch) * (len(schedule) - 1)
    step = 0
    for first in range(0, count, batch):
        numbers = range(first, min(first + batch, count))
        posed = nothing_measured((len(numbers), prior.codec.picture_channels, *size), device=device)
        problem = prior.codec.enter(posed)
        noise = Noise([seed_for(seed, "sample", number) for number in numbers])
        states = reverse(problem, prior, Unconditional(), sampler or dpmpp_2m(), schedule.to(device or "cpu"), noise)
        try:
            for index, x in enumerate(states, 1):
                step += 1
                done = index == len(schedule) - 1
                if done:
                    x = _decoded(prior, x, size)
                if done and not bool(x.isfinite().all()):
                    raise PriorError("the pictures are not finite: the prior is broken, or the sampler's steps are too long")
                yield Step(step, total, first, float(schedule[index]), x, done)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise OutOfMemoryError(
                f"not enough memory for {len(numbers)} pictures at once; give a smaller {called('batch')}"
            ) from error


@torch.no_grad()
def frames(prior: Prior, steps: list[Step]) -> Tensor:
    """A trajectory as pictures: x scaled for display, and D.

    Args:
        prior: evaluated for D.
        steps: steps of one batch, in order.

    Returns: (2 b len(steps), C, H, W) in [-1, 1], on the CPU: for each picture a row of x, then a row of D.
    """
    columns = []
    for step in steps:
        sigma, factor = step.sigma, 1 if step.sigma == 0 else prior.codec.factor
        size = step.x.shape[-2] * factor, step.x.shape[-1] * factor
        x0 = step.x if sigma == 0 else _decoded(prior, prior(step.x, sigma), size)
        # Scaled so that the noise has a standard deviation of at most 1/2 and little of it is clipped.
        seen = step.x if sigma == 0 else _decoded(prior, step.x / (1 + (2 * sigma) ** 2) ** 0.5, size)
        columns.append(torch.stack([seen, x0], dim=1).clamp(-1, 1).cpu())
    return torch.stack(columns, dim=2).flatten(0, 2)


def _decoded(prior: Prior, x: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures of states, one after the other: decoders take more memory than networks."""
    return torch.cat([prior.codec.decode(one, size) for one in x.split(1)]) if prior.codec.factor > 1 else x
