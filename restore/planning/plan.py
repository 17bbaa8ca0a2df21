"""A plan of a run of one method on one problem, with windows that fit into memory."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from restore.device import memory
from restore.errors import OutOfMemoryError
from restore.guidance import Guidance
from restore.options.length import Length
from restore.planning.activation_memory import decoding, encoding, evaluation
from restore.planning.boxes import least_window, part_of, together, view_of, wanted_pixels
from restore.planning.dry_run import DryRun, dry_run
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling import schedules
from restore.sampling.samplers import Sampler
from restore.tiling.layout import Box
from restore.tiling.regions import crop, regions, window_for
from restore.tiling.tiled import Tiled

LARGEST_WINDOW = 1024  # Default side of a window in pixels.
SMALL = 512**2  # Pixels up to which an evaluation is assumed to fit if there is no bound.
# What the allocator keeps between tensors, on top of them: measured 0 to 0.65 with glibc, the most where tensors are below the
# 32 MB from which on it asks the system for each.
HEAP = 1.25
# Pictures when a run is over: the answer, and the same put into range; where y is exact, also what it measures and how far that
# is off.
NOISY_END, EXACT_END = 2, 4


@dataclass(frozen=True)
class Plan:
    """A run of a method that makes pictures for one problem.

    Attributes:
        problem, prior, guidance, sampler: of the run; the problem is in the prior's own space.
        posed: the problem in pixels.
        schedule: noise levels of the run in each box.
        names: one for each picture to make, on which its noise depends.
        boxes: parts of the picture, which are restored one after the other.
        windows: for each box, the side of its windows; None if it is evaluated whole.
        largest: the largest side of a window that was allowed.
        at_once: the largest number of windows per evaluation.
        device: of the network.
        tried: the dry run, if its windows were chosen by one.
        before: seconds and peak bytes of what was evaluated before the plan was made: text encoders, and the codec for what the
            problem is in latents.
        adapt: how long the prior is tuned on the problem before the run; None for not at all.
    """

    problem: Problem
    posed: Problem
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
    tried: DryRun | None = field(default=None, compare=False)
    before: tuple[float, int] = field(default=(0.0, 0), compare=False)
    adapt: Length | None = None

    @property
    def batch(self) -> int:
        """Number of pictures that are made together."""
        largest = max(((bottom - top) * (right - left) for top, bottom, left, right in self.boxes), default=1)
        return min(len(self.names), together(largest * self.prior.codec.factor**2, self.device))

    @property
    def steps(self) -> int:
        """Transitions of all boxes and batches."""
        return -(-len(self.names) // self.batch) * len(self.boxes) * (len(self.schedule) - 1)

    def decode(self, states: Tensor) -> Tensor:
        """Pictures (B, C, H, W), or those of a box, of states in the prior's own space; one after the other, as decoders take
        more memory than networks."""
        height, width = states.shape[-2:]
        factor = self.prior.codec.factor
        size = min(height * factor, self.posed.shape[-2]), min(width * factor, self.posed.shape[-1])
        parts = [self.prior.codec.decode(state, size) for state in states.split(1)] if factor > 1 else []
        return torch.cat(parts).to(states) if parts else self.prior.codec.decode(states, size)

    def view(self, index: int) -> Tiled:
        """The prior for the box of this index, evaluated in windows or whole."""
        prior = self.guidance.wrap_prior(self.prior)
        return view_of(prior, part_of(self.problem, self.boxes[index]), self.windows[index], self.at_once, self.device)


def make_plan(
    problem: Problem,
    prior: Prior,
    guidance: Guidance,
    sampler: Sampler | None = None,
    *,
    posed: Problem | None = None,
    steps: int | None = None,
    names: tuple[str, ...] = ("",),
    largest: int = LARGEST_WINDOW,
    device: torch.device | None = None,
) -> Plan:
    """A plan. If the measurement leaves only some pixels undetermined, only boxes around them are restored.

    Args:
        problem: in the prior's own space.
        sampler: by default the method's own.
        posed: the problem in pixels; by default `problem`.
        steps: transitions; by default the method's own number.
        largest: largest side of a window in pixels.
        device: by default the CPU.
    """
    height, width = problem.shape[-2:]
    whole = (0, height, 0, width)
    wanted = wanted_pixels(problem)
    boxes = [whole] if wanted is None or problem.operator.crop(whole) is None else regions(wanted, prior.context)
    schedule = guidance.schedule(prior, problem, guidance.steps if steps is None else steps)
    schedule = schedule if prior.levels is None else schedules.snap(schedule, prior.levels)
    return Plan(
        problem=problem,
        posed=problem if posed is None else posed,
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
    """The plan with the largest windows, and the most of them per evaluation, that free memory and a bound allow.

    Sides are halved, so that small differences in free memory rarely change the windows of a picture.

    Args:
        bound: memory limit of the whole process in bytes.

    Raises: OutOfMemoryError if not even the smallest window fits into the bound.
    """
    sizes = [window_size(plan, index) for index in range(len(plan.boxes))]
    if not sizes or (bound is None and max(height * width for height, width in sizes) * plan.prior.codec.factor**2 <= SMALL):
        return plan
    tried = dry_run(plan.problem, plan.prior, plan.guidance, plan.sampler, plan.schedule)
    plan = replace(plan, tried=tried)
    left = memory.room(plan.device, bound)
    least = least_window(plan.prior) * plan.prior.codec.factor
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
        return plan  # Free memory is uncertain, so the run is tried.
    needed = memory.used(plan.device) + picture + window
    height, width = plan.posed.shape[-2:]
    raise OutOfMemoryError(
        f"{memory.spell(bound)} of memory are too little for a picture of {width}x{height} pixels and the smallest window; "
        f"allow {memory.spell(needed * 1.05, up=True)} or more"
    )


def bytes_held(plan: Plan, tried: DryRun, rough: int = 0) -> tuple[int, int, int]:
    """Bytes of whole pictures in the run of the largest box, bytes of the largest window's evaluation, and windows at once.

    Args:
        tried: of the plan's method.
        rough: bytes of the evaluation, used where the dry run is coarse, in place of counting them.
    """
    problem, prior, samples = plan.problem, plan.prior, plan.batch
    pixels = max((bottom - top) * (right - left) for top, bottom, left, right in plan.boxes)
    whole, cells = (shape[-2] * shape[-1] for shape in (plan.posed.shape, problem.shape))
    cell, pixel = (shape[1] * 4 * samples for shape in (problem.shape, plan.posed.shape))
    run = int(tried.held * pixels * cell) + (whole * pixel if pixels < cells else 0)
    picture = max(run, (NOISY_END if problem.sigma_y > 0 else EXACT_END) * whole * pixel)
    most, height, width, count = 0, 0, 0, 1
    for index, side in enumerate(plan.windows):
        size = window_size(plan, index)
        pictures = tried.pictures * samples
        at_once = min(plan.at_once, pictures if side is None else together((side * prior.codec.factor) ** 2, plan.device))
        if size[0] * size[1] * at_once > most:
            most, (height, width), count = size[0] * size[1] * at_once, size, at_once
    coarse = tried.coarse and rough > 0
    graph = tried.gradients > 0
    one = rough if coarse else evaluation(prior, 1, height, width, graph=graph, device=plan.device)
    through = graph or plan.guidance.differentiates
    shape, coded = (plan.posed.shape[-2], plan.posed.shape[-1]), tried.coded
    decoded = decoding(prior.codec, shape, graph=through, device=plan.device)
    encoded = encoding(prior.codec, shape, graph=coded.through_encoder > 0, device=plan.device) if coded.encoded else 0
    # A gradient goes through network, decoder and perhaps encoder at once; otherwise one comes after the other.
    one = one + decoded if graph else max(one, decoded)
    one = one + encoded if graph and coded.through_encoder else max(one, encoded)
    return picture, int(HEAP * one), count


def window_size(plan: Plan, index: int, share: tuple[float, float] = (1.0, 1.0)) -> tuple[int, int]:
    """(height, width) of the network's input for the box of this index, or for a picture of a share of its sides."""
    top, bottom, left, right = plan.boxes[index]
    multiple = plan.prior.multiple_of
    sides = round(share[0] * (bottom - top)), round(share[1] * (right - left))
    height, width = (-(-length // multiple) * multiple for length in sides)
    side = plan.windows[index]
    if side is None or max(sides) <= side:
        return height, width
    top, bottom, left, right = plan.view(index).windows(height, width, 1.0)[0].box
    return bottom - top, right - left


def _windows(problem: Problem, prior: Prior, boxes: Sequence[Box], largest: int) -> tuple[int | None, ...]:
    if prior.whole:
        return (None,) * len(boxes)
    wanted = wanted_pixels(problem)
    return tuple(
        window_for(
            bottom - top,
            right - left,
            prior.context,
            max(least_window(prior), largest // prior.codec.factor),
            None if wanted is None else crop(wanted, (top, bottom, left, right)),
            multiple=prior.multiple_of,
        )
        for top, bottom, left, right in boxes
    )
