"""Samples of one problem, together: only windows that need work, tiled if they are larger than what goes through at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restore.device.memory import is_lack_of_memory
from restore.engine import reverse
from restore.errors import OutOfMemoryError
from restore.guidance.guidance import Guidance
from restore.operators.operator import Operator
from restore.priors.prior import Prior
from restore.priors.views.early_exit import Settling
from restore.problem import Problem
from restore.sampling import schedules
from restore.sampling.noise import Noise, seed_for
from restore.sampling.samplers import Sampler
from restore.tiling.layout import Box
from restore.tiling.regions import crop, regions, window_for
from restore.tiling.tiled import Tiled

# Pixels that go through the network at once. On a CPU a batch is only worth it while pictures are small: beyond, what one layer
# leaves for the next no longer fits into the cache.
CPU_PIXELS, GPU_PIXELS = 2**17, 2**21


@dataclass(frozen=True)
class Plan:
    """What a problem will take, before anything runs.

    Attributes:
        boxes: windows of the picture restored one after the other.
        windows: side of the tiles inside each box, None where it goes through whole.
        schedule: levels of each box's run.
        most: windows and samples that may go through at once.
        largest: side of windows this was planned for.
    """

    boxes: tuple[Box, ...]
    windows: tuple[int | None, ...]
    schedule: Tensor
    most: int = sys.maxsize
    largest: int = sys.maxsize

    @property
    def steps(self) -> int:
        return len(self.boxes) * (len(self.schedule) - 1)


@dataclass(frozen=True)
class Progress:
    """A transition done.

    Attributes:
        step, steps: how many are done, and how many there will be as far as is known: fewer where a run settles early.
        x: the current state of a window (B, C, h, w), B samples.
        done: the whole pictures, at the end only.
    """

    step: int
    steps: int
    x: Tensor
    done: Tensor | None = None


def plan(problem: Problem, prior: Prior, method: Guidance, *, steps: int | None, largest: int) -> Plan:
    """Where the work lies. Pictures whose measurement leaves only some pixels open are cut to the surroundings of those."""
    height, width = problem.shape[-2:]
    wanted = _wanted(problem)
    boxes = [(0, height, 0, width)] if wanted is None else regions(wanted, prior.context)
    if problem.operator.crop((0, height, 0, width)) is None:
        boxes = [(0, height, 0, width)]
    windows = [
        window_for(
            bottom - top,
            right - left,
            prior.context,
            largest,
            None if wanted is None else crop(wanted, box),
            multiple=prior.multiple_of,
        )
        for box in boxes
        for top, bottom, left, right in [box]
    ]
    schedule = method.schedule(prior, problem, method.steps if steps is None else steps)
    schedule = schedule if prior.levels is None else schedules.snap(schedule, prior.levels)
    return Plan(tuple(boxes), tuple(windows), schedule, largest=largest)


@torch.no_grad()
def solve(
    problem: Problem,
    prior: Prior,
    method: Guidance,
    sampler: Sampler,
    planned: Plan,
    *,
    seed: int,
    names: Sequence[str],
    device: torch.device,
    tolerance: float | None = None,
) -> Iterator[Progress]:
    """Runs a plan; the last event carries the whole pictures (B, C, H, W) on the CPU.

    Args:
        problem: of one picture.
        seed, names: what the noise is drawn from: B names for B samples in one batch, each with noise of its own in each box.
        tolerance: change of the prior's answer from step to step, in units of [-1, 1] pictures, at which a box counts as
            settled and the next transition goes to 0; None walks the whole schedule.

    Raises: OutOfMemoryError if a window does not fit.
    """
    whole = (0, problem.shape[-2], 0, problem.shape[-1])
    count = len(names)
    done = None if planned.boxes == (whole,) else problem.operator.pinv(problem.y).repeat(count, 1, 1, 1)
    step, steps = 0, planned.steps
    x = torch.zeros(1)
    for index, (box, window) in enumerate(zip(planned.boxes, planned.windows, strict=True)):
        part = part_of(problem, box)
        view: Prior = tiled(method.wrap_prior(prior), part, window, planned.most, device)
        noise = Noise([seed_for(seed, f"{name}/{index}") for name in names])
        part = replace(
            part,
            operator=part.operator.to(device),
            y=part.y.to(device),
            start=None if part.start is None else part.start.to(device),
        )
        if part.start is None and planned.schedule[0] < 0.999 * prior.sigma_max:
            # A run that begins below the highest level begins around a guess (Chung et al. 2022, 2112.05146, theorem 1: what
            # the guess gets wrong is forgotten while sigma falls, faster than it would be from pure noise).
            part = replace(part, start=part.operator.initial_estimate(part.y))
        part = replace(part, y=part.y.expand(count, *part.y.shape[1:]), shape=(count, *part.shape[1:]))
        try:
            begun, settled = step, None
            if tolerance is not None:
                wanted = _wanted(part)
                view = Settling(view, tolerance, None if wanted is None else wanted.to(device))
                settled = view.settled
            for x in reverse(part, view, method, sampler, planned.schedule.to(device), noise, settled=settled):
                step += 1
                yield Progress(step, steps, x)
            steps -= len(planned.schedule) - 1 - (step - begun)
        except OutOfMemoryError:
            raise
        except (RuntimeError, MemoryError) as error:
            if not is_lack_of_memory(error):
                raise
            height, width = part.shape[-2:]
            raise OutOfMemoryError(
                f"not enough memory for {count} picture(s) of {width}x{height} pixels, whatever the window; "
                "free some memory, or cut the picture"
            ) from error
        if done is None:
            done = x.cpu()
        else:
            crop(done, box).copy_(x)
    assert done is not None
    yield Progress(step, steps, x, done)


def tiled(prior: Prior, part: Problem, window: int | None, most: int, device: torch.device) -> Tiled:
    """The prior as a box of the picture asks it: in windows of a side, or whole."""
    if window is None:
        # Priors pad what they are given before windows are cut; whole means whole then, too.
        blocks = -(-max(part.shape[-2:]) // prior.multiple_of)
        return Tiled(prior, window=blocks * prior.multiple_of, batch=most)
    return Tiled(prior, window=window, wanted=_wanted(part), batch=min(most, together(window**2, device)))


def together(pixels: int, device: torch.device) -> int:
    """How many pictures or windows of so many pixels are worth going through the network at once."""
    return max(1, (CPU_PIXELS if device.type == "cpu" else GPU_PIXELS) // pixels)


def _wanted(problem: Problem) -> Tensor | None:
    """Pixels that need an answer; with noise, the known ones do too."""
    return problem.operator.missing_mask(problem.shape) if problem.sigma_y == 0 else None


def part_of(problem: Problem, box: Box) -> Problem:
    """The problem of one window; see `Operator.crop`."""
    top, bottom, left, right = box
    operator: Operator | None = problem.operator.crop(box)
    if operator is None or (bottom - top, right - left) == tuple(problem.shape[-2:]):
        return problem
    shape = (*problem.shape[:2], bottom - top, right - left)
    start = None if problem.start is None else crop(problem.start, box)
    return replace(problem, y=crop(problem.y, box), operator=operator, shape=shape, start=start)
