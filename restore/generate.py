"""Pictures from the prior alone, by any sampler and schedule."""

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

# A cosine table ends at sigma 20,000. Steps spent up there are lost, and to Heun's method they are harmful.
HIGHEST = 160.0
SCHEDULES = ("karras", "geometric", "ddpm", "quadratic")


@dataclass(frozen=True)
class Step:
    """A transition of one batch.

    Attributes:
        step, steps: of all batches together.
        first: number of the batch's first picture.
        sigma: the level reached.
        x: (b, C, H, W) at that level.
        done: whether this was the batch's last.
    """

    step: int
    steps: int
    first: int
    sigma: float
    x: Tensor
    done: bool


def schedule_for(prior: Prior, steps: int = 50, name: str | None = None) -> Tensor:
    """Levels from the prior's highest to 0, on trained levels where these are discrete.

    Args:
        name: of `SCHEDULES`; by default "ddpm" for a prior with trained levels and "karras" for the others. The smooth ones,
            "karras" and "geometric", begin at 160 at most, about where DDPM's linear table does.

    Raises: UsageError for an unknown name, or a schedule of trained levels for a prior that has none.
    """
    name = name or ("karras" if prior.levels is None else "ddpm")
    if name not in SCHEDULES:
        raise UsageError(f"unknown schedule {name!r}; known: {', '.join(SCHEDULES)}")
    if name in ("karras", "geometric"):
        smooth = schedules.karras if name == "karras" else schedules.geometric
        found = smooth(min(prior.sigma_max, HIGHEST), prior.sigma_min, steps)
        return found if prior.levels is None else schedules.snap(found, prior.levels)
    if prior.levels is None:
        raise UsageError(f"schedule {name!r} is of trained levels, and this prior takes any level; give karras or geometric")
    return (schedules.ddpm if name == "ddpm" else schedules.quadratic)(prior.levels, steps)


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
    """Pictures that the prior holds likely; arguments and errors as for `stream`.

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
    """The steps of `sample`, batch after batch; leave the loop to stop.

    Args:
        size: (height, width) in pixels.
        sampler: the transition, DPM-Solver++(2M) by default.
        schedule: levels that end at 0, 50 of the prior's own by default; see `schedule_for`.
        seed: of all noise. Each picture has noise of its own: its number and the seed decide it, the batch does not.
        batch: pictures that go through the network at once.
        device: where the prior is; the CPU by default.

    Raises: UsageError for counts below 1; OutOfMemoryError if a batch does not fit; PriorError if values are not finite.
    """
    if min(count, batch, *size) < 1:
        raise UsageError(f"count, batch, height and width are at least 1, got {count}, {batch}, {size[0]} and {size[1]}")
    schedule = schedule_for(prior) if schedule is None else schedule
    total = -(-count // batch) * (len(schedule) - 1)
    step = 0
    for first in range(0, count, batch):
        numbers = range(first, min(first + batch, count))
        problem = nothing_measured((len(numbers), prior.channels, *size), device=device)
        noise = Noise([seed_for(seed, "sample", number) for number in numbers])
        states = reverse(problem, prior, Unconditional(), sampler or dpmpp_2m(), schedule.to(device or "cpu"), noise)
        try:
            for index, x in enumerate(states, 1):
                step += 1
                done = index == len(schedule) - 1
                if done and not bool(x.isfinite().all()):
                    raise PriorError("the pictures are not finite: the prior is broken, or the sampler's steps are too long")
                yield Step(step, total, first, float(schedule[index]), x, done)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise OutOfMemoryError(f"not enough memory for {len(numbers)} pictures at once; give a smaller --batch") from error


@torch.no_grad()
def frames(prior: Prior, steps: list[Step]) -> Tensor:
    """A trajectory as pictures: x as it may be looked at, and below it D.

    Args:
        steps: steps of one batch, in order.

    Returns: (2 b len(steps), C, H, W) in [-1, 1], on the CPU: for each picture a row of x, then a row of D.
    """
    columns = []
    for step in steps:
        sigma = step.sigma
        x0 = step.x if sigma == 0 else prior(step.x, sigma)
        # Noise is shown with standard deviation 1/2 at most, so that little of it is clipped.
        seen = step.x / (1 + (2 * sigma) ** 2) ** 0.5
        columns.append(torch.stack([seen, x0], dim=1).clamp(-1, 1).cpu())
    return torch.stack(columns, dim=2).flatten(0, 2)
