"""A plan: how one method will run on one problem, and the windows that fit into memory."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restore.device import memory
from restore.errors import OutOfMemoryError
from restore.guidance import Guidance
from restore.operators import Operator
from restore.planning.activation_memory import evaluation
from restore.planning.dry_run import DryRun, dry_run
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling import schedules
from restore.sampling.samplers import Sampler
from restore.tiling.layout import Box
from restore.tiling.regions import crop, regions, window_for
from restore.tiling.tiled import LEAST, Tiled

# Pixels that go through the network at once. On a CPU a batch is only worth it while pictures are small: beyond, what one layer
# leaves for the next no longer fits into the cache.
CPU_PIXELS, GPU_PIXELS = 2**17, 2**21
LARGEST_WINDOW = 1024  # Side in pixels, unless another is asked for.
SMALL = 512**2  # Pixels up to which an evaluation is taken to fit unless a bound is named.
# What the allocator keeps between tensors, on top of them: measured 0 to 0.65 with glibc, the most where tensors are below the
# 32 MB from which on it asks the system for each.
HEAP = 1.25
# Pictures when a run is over: the answer, and the same put into range; where y is exact, also what it measures and how far that
# is off.
NOISY_END, EXACT_END = 2, 4


@dataclass(frozen=True)
class Plan:
    """How a method will draw some pictures of one problem, before anything runs.

    Attributes:
        problem, prior, guidance, sampler: what runs.
        schedule: noise levels that each box runs through.
        names: one a picture to draw; its noise depends on it.
        boxes: parts of the picture that are restored one after the other.
        windows: side of the windows inside each box, None where it goes through the network whole.
        largest: side of windows this was planned for.
        at_once: windows that may go through the network at once.
        device: where the network runs.
    """

    problem: Problem
    prior: Prior
    guidance: Guidance
    sampler: Sampler
    schedule: Tensor
    names: tuple[str, ...]
    boxes: tuple[Box, ...]
    windows: tuple[int | None, ...]
    largest: int
    device: torch.device
    at_once: int = sys.maxsize

    @property
    def batch(self) -> int:
        """Pictures that are drawn together."""
        largest = max(((bottom - top) * (right - left) for top, bottom, left, right in self.boxes), default=1)
        return min(len(self.names), together(largest, self.device))

    @property
    def steps(self) -> int:
        """Transitions of all boxes and batches."""
        return -(-len(self.names) // self.batch) * len(self.boxes) * (len(self.schedule) - 1)

    def view(self, index: int) -> Tiled:
        """The prior as the box of a number asks it: in windows of a side, or whole."""
        prior = self.guidance.wrap_prior(self.prior)
        return view_of(prior, part_of(self.problem, self.boxes[index]), self.windows[index], self.at_once, self.device)


def make_plan(
    problem: Problem,
    prior: Prior,
    guidance: Guidance,
    sampler: Sampler | None = None,
    *,
    steps: int | None = None,
    names: tuple[str, ...] = ("",),
    largest: int = LARGEST_WINDOW,
    device: torch.device | None = None,
) -> Plan:
    """Where the work lies. Of a picture whose measurement leaves only some pixels open, their surroundings are restored.

    Args:
        sampler: the method's own if not given.
        steps: transitions, the method's own if not given.
        largest: side of a window in pixels, at most.
        device: the CPU if not given.
    """
    height, width = problem.shape[-2:]
    whole = (0, height, 0, width)
    wanted = wanted_pixels(problem)
    boxes = [whole] if wanted is None or problem.operator.crop(whole) is None else regions(wanted, prior.context)
    schedule = guidance.schedule(prior, problem, guidance.steps if steps is None else steps)
    schedule = schedule if prior.levels is None else schedules.snap(schedule, prior.levels)
    return Plan(
        problem=problem,
        prior=prior,
        guidance=guidance,
        sampler=sampler or guidance.sampler(),
        schedule=schedule,
        names=names,
        boxes=tuple(boxes),
        windows=_windows(problem, prior, boxes, largest),
        largest=largest,
        device=device or torch.device("cpu"),
    )


def fit(plan: Plan, bound: int | None = None) -> Plan:
    """The plan with the largest windows, and the most of them at once, that free memory and a bound allow. Sides are halved,
    so that the same picture rarely gets other windows for a little memory more or less.

    Args:
        bound: bytes that the whole process may take.

    Raises: OutOfMemoryError if not even the least window fits into the bound.
    """
    sizes = [window_size(plan, index) for index in range(len(plan.boxes))]
    if not sizes or (bound is None and max(height * width for height, width in sizes) <= SMALL):
        return plan
    tried = dry_run(plan.problem, plan.prior, plan.guidance, plan.sampler, plan.schedule)
    left = memory.room(plan.device, bound)
    least = max(LEAST, 4 * plan.prior.multiple_of)
    while True:
        picture, window, count = bytes_held(plan, tried)
        while picture + window * count > left and count > 1:
            count //= 2
            plan = replace(plan, at_once=count)
        if picture + window * count <= left:
            return plan
        if plan.largest <= least:
            break
        largest = max(least, plan.largest // 2)
        windows = _windows(plan.problem, plan.prior, plan.boxes, largest)
        plan = replace(plan, windows=windows, largest=largest, at_once=sys.maxsize)
    if bound is None:
        return plan  # Free memory is a guess: the run will tell.
    needed = memory.used(plan.device) + picture + window
    height, width = plan.problem.shape[-2:]
    raise OutOfMemoryError(
        f"{memory.spell(bound)} of memory are too little for a picture of {width}x{height} pixels and the smallest window; "
        f"allow {memory.spell(needed * 1.05, up=True)} or more"
    )


def bytes_held(plan: Plan, tried: DryRun) -> tuple[int, int, int]:
    """Bytes of whole pictures during the run of the largest box, bytes of the largest window's evaluation, and how many of
    those go through at once.

    Args:
        tried: what the method does with the prior.
    """
    problem, prior, samples = plan.problem, plan.prior, plan.batch
    pixels = max((bottom - top) * (right - left) for top, bottom, left, right in plan.boxes)
    whole = problem.shape[-2] * problem.shape[-1]
    cell = problem.shape[1] * 4 * samples
    run = int(tried.held * pixels * cell) + (whole * cell if pixels < whole else 0)
    picture = max(run, (NOISY_END if problem.sigma_y > 0 else EXACT_END) * whole * cell)
    most, height, width, count = 0, 0, 0, 1
    for index, side in enumerate(plan.windows):
        size = window_size(plan, index)
        pictures = max(tried.pictures, default=1) * samples
        at_once = min(plan.at_once, pictures if side is None else together(side**2, plan.device))
        if size[0] * size[1] * at_once > most:
            most, (height, width), count = size[0] * size[1] * at_once, size, at_once
    one = evaluation(prior, 1, height, width, graph=tried.gradients > 0, device=plan.device)
    return picture, int(HEAP * one), count


def window_size(plan: Plan, index: int) -> tuple[int, int]:
    """Height and width of what goes through the network for the box of a number."""
    top, bottom, left, right = plan.boxes[index]
    multiple = plan.prior.multiple_of
    height, width = (-(-length // multiple) * multiple for length in (bottom - top, right - left))
    if plan.windows[index] is None:
        return height, width
    top, bottom, left, right = plan.view(index).windows(height, width, 1.0)[0].box
    return bottom - top, right - left


def together(pixels: int, device: torch.device) -> int:
    """How many pictures or windows of so many pixels are worth going through the network at once."""
    return max(1, (CPU_PIXELS if device.type == "cpu" else GPU_PIXELS) // pixels)


def wanted_pixels(problem: Problem) -> Tensor | None:
    """Pixels that need an answer, bool (1, 1, H, W); None for all. With noise, the known ones need one too."""
    return problem.operator.missing_mask(problem.shape) if problem.sigma_y == 0 else None


def part_of(problem: Problem, box: Box) -> Problem:
    """The problem of one box alone; see `Operator.crop`."""
    top, bottom, left, right = box
    if (bottom - top, right - left) == tuple(problem.shape[-2:]):
        return problem
    operator: Operator | None = problem.operator.crop(box)
    constraint = None if problem.constraint is None else problem.constraint.crop(box)
    if operator is None or (constraint is None) != (problem.constraint is None):
        return problem
    shape = (*problem.shape[:2], bottom - top, right - left)
    start = None if problem.start is None else crop(problem.start, box)
    return replace(problem, y=crop(problem.y, box), operator=operator, constraint=constraint, shape=shape, start=start)


def _windows(problem: Problem, prior: Prior, boxes: Sequence[Box], largest: int) -> tuple[int | None, ...]:
    wanted = wanted_pixels(problem)
    return tuple(
        window_for(
            bottom - top,
            right - left,
            prior.context,
            largest,
            None if wanted is None else crop(wanted, (top, bottom, left, right)),
            multiple=prior.multiple_of,
        )
        for top, bottom, left, right in boxes
    )


def view_of(prior: Prior, part: Problem, side: int | None, at_once: int, device: torch.device) -> Tiled:
    if side is None:
        # Priors pad what they are given before windows are cut; whole means whole then, too.
        blocks = -(-max(part.shape[-2:]) // prior.multiple_of)
        return Tiled(prior, window=blocks * prior.multiple_of, batch=at_once)
    return Tiled(prior, window=side, wanted=wanted_pixels(part), batch=min(at_once, together(side**2, device)))
