"""What a run will take, before it runs, and the windows that fit."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restore.device import memory
from restore.errors import OutOfMemoryError
from restore.guidance.guidance import Guidance
from restore.planning.activation_memory import evaluation
from restore.planning.dry_run import Rehearsal, rehearse, walked
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling.samplers import Sampler
from restore.tiling.batches import Run
from restore.tiling.solve import Plan, part_of, plan, tiled, together
from restore.tiling.tiled import LEAST

# What the allocator keeps between tensors, on top of them: measured 0 to 0.65 with glibc, the most where tensors are below the
# 32 MB from which on it asks the system for each.
HEAP = 1.25
SMALL = 512**2  # Pixels up to which an evaluation is taken to fit unless a bound is named.
PROBE = 256  # Largest side of the windows that are timed.
# Pictures when a run is over: the answer, and the same put into range; where y is exact, also what it measures and how far that
# is off.
NOISY_END, EXACT_END = 2, 4


@dataclass(frozen=True)
class Forecast:
    """What a picture will take.

    Attributes:
        width, height: of the picture.
        windows: (count, width, height) of those evaluated in the first step, for each size.
        transitions: of all samples and boxes.
        evaluations: windows that go through the network, over all steps and samples, also those evaluated anew for a gradient.
        picture, window: bytes that the run holds of whole pictures, and in one evaluation.
        peak: bytes of the whole process (of the GPU's memory, for one) when most is held.
        seconds: by the time that one small window, and a walk beside the network, took.
    """

    width: int
    height: int
    windows: tuple[tuple[int, int, int], ...]
    transitions: int
    evaluations: int
    picture: int
    window: int
    peak: int
    seconds: float


def fitted(
    problem: Problem,
    prior: Prior,
    method: Guidance,
    sampler: Sampler,
    *,
    steps: int | None,
    largest: int,
    device: torch.device,
    bound: int | None = None,
    choose: bool = True,
) -> Plan:
    """The plan with the largest windows, and the largest batch of those, that fit into free memory and into `bound` bytes for
    the whole process. Sides are halved, so that the same picture rarely gets other windows for a little memory more or less.

    Args:
        largest: side of a window, at most.
        choose: whether to look at memory at all.

    Raises: OutOfMemoryError if not even the least window fits into the bound.
    """
    planned = plan(problem, prior, method, steps=steps, largest=largest)
    sizes = [_size(prior, part_of(problem, box), side) for box, side in zip(planned.boxes, planned.windows, strict=True)]
    if not choose or not sizes or (bound is None and max(height * width for height, width in sizes) <= SMALL):
        return planned
    rehearsed = rehearse(problem, prior, method, sampler, _start(planned.schedule))
    left = memory.room(device, bound)
    side, least = largest, max(LEAST, 4 * prior.multiple_of)
    while True:
        picture, window, count = _held(problem, prior, planned, rehearsed, device)
        while picture + window * count > left and count > 1:
            count //= 2
            planned = replace(planned, most=count)
        if picture + window * count <= left:
            return planned
        if side <= least:
            break
        side = max(least, side // 2)
        planned = plan(problem, prior, method, steps=steps, largest=side)
    if bound is None:
        return planned  # Free memory is a guess: the run will tell.
    needed = memory.used(device) + picture + window
    height, width = problem.shape[-2:]
    raise OutOfMemoryError(
        f"{memory.spell(bound)} of memory are too little for a picture of {width}x{height} pixels and the smallest window; "
        f"allow {memory.spell(needed * 1.05, up=True)} or more"
    )


def forecast(runs: Sequence[Run], taken: int) -> Forecast:
    """What runs, one after the other, will take. One small window is evaluated, to see how long it takes.

    Args:
        taken: bytes that the process held before.
    """
    transitions = evaluations = picture = window = 0
    seconds = 0.0
    found: dict[tuple[int, int], int] = {}
    for run in runs:
        planned, device = run.planned, run.device
        transitions += run.steps
        if not planned.boxes:
            continue
        rehearsed = rehearse(run.problem, run.prior, run.method, run.sampler, planned.schedule)
        held, one, count = _held(run.problem, run.prior, planned, rehearsed, device, samples=min(run.batch, len(run.names)))
        picture, window = max(picture, held), max(window, one * count)
        beside = walked(run.problem, run.prior, run.method, run.sampler, _start(planned.schedule))
        times: dict[tuple[int, int], tuple[float, float]] = {}
        for box, side in zip(planned.boxes, planned.windows, strict=True):
            part = part_of(run.problem, box)
            view = tiled(run.prior, part, side, planned.most, device)
            size = _size(run.prior, part, side)
            if size not in times:
                times[size] = _timed(run.prior, size, device, gradients=rehearsed.gradients > 0)
            forward, backward = times[size]
            asked = 0
            counts: dict[float, int] = {}
            for level, pictures in zip(rehearsed.levels, rehearsed.pictures, strict=True):
                if level not in counts:
                    counts[level] = view.count(part.shape[-2], part.shape[-1], level)
                asked += counts[level] * pictures
            asked *= len(run.names)
            if rehearsed.levels:
                found[size] = found.get(size, 0) + counts[rehearsed.levels[0]]
            gradients = asked * rehearsed.gradients / max(1, len(rehearsed.levels))
            anew = gradients if max(part.shape[-2:]) > view.fits.window else 0
            evaluations += round(asked + anew)
            seconds += size[0] * size[1] * ((asked + anew) * forward + gradients * backward)
            seconds += part.shape[-2] * part.shape[-1] * (len(planned.schedule) - 1) * len(run.names) * beside
    height, width = runs[0].problem.shape[-2:]
    return Forecast(
        width=width,
        height=height,
        windows=tuple((count, size[1], size[0]) for size, count in found.items()),
        transitions=transitions,
        evaluations=evaluations,
        picture=picture,
        window=window,
        peak=taken + picture + window,
        seconds=seconds,
    )


def _start(schedule: Tensor) -> Tensor:
    """As much of a schedule as shows what its steps hold."""
    return torch.cat([schedule[:2], schedule[-1:]]) if len(schedule) > 2 else schedule


def _size(prior: Prior, part: Problem, side: int | None) -> tuple[int, int]:
    """Height and width of what goes through the network."""
    height, width = (-(-length // prior.multiple_of) * prior.multiple_of for length in part.shape[-2:])
    if side is None:
        return height, width
    top, bottom, left, right = tiled(prior, part, side, 1, torch.device("cpu")).windows(height, width, 1.0)[0].box
    return bottom - top, right - left


def _held(
    problem: Problem, prior: Prior, planned: Plan, rehearsed: Rehearsal, device: torch.device, samples: int = 1
) -> tuple[int, int, int]:
    """Bytes of whole pictures during the run of the largest box, bytes of the largest window's evaluation, and how many of
    those go through at once."""
    parts = [part_of(problem, box) for box in planned.boxes]
    pixels = max(part.shape[-2] * part.shape[-1] for part in parts)
    whole = problem.shape[-2] * problem.shape[-1]
    cell = problem.shape[1] * 4 * samples
    walked = int(rehearsed.held * pixels * cell) + (whole * cell if pixels < whole else 0)
    picture = max(walked, (NOISY_END if problem.sigma_y > 0 else EXACT_END) * whole * cell)
    most, height, width, count = 0, 0, 0, 1
    for part, side in zip(parts, planned.windows, strict=True):
        size = _size(prior, part, side)
        whole_ones = max(rehearsed.pictures, default=1) * samples
        at_once = min(planned.most, whole_ones if side is None else together(side**2, device))
        if size[0] * size[1] * at_once > most:
            most, (height, width), count = size[0] * size[1] * at_once, size, at_once
    one = evaluation(prior, 1, height, width, graph=rehearsed.gradients > 0, device=device)
    return picture, int(HEAP * one), count


def _timed(prior: Prior, size: tuple[int, int], device: torch.device, *, gradients: bool) -> tuple[float, float]:
    """Seconds a pixel of one answer, and of its gradient, for windows of a size or of the largest that is timed."""
    height, width = (max(prior.multiple_of, min(length, PROBE // prior.multiple_of * prior.multiple_of)) for length in size)
    x = torch.zeros(max(1, PROBE**2 // (height * width)), prior.channels, height, width, device=device)
    with torch.no_grad():
        forward = _least(lambda: prior(x, 1.0), device)
    backward = 0.0
    if gradients:
        x.requires_grad_()
        backward = _least(lambda: torch.autograd.grad(prior(x, 1.0).sum(), x), device) - forward
    pixels = len(x) * height * width
    return forward / pixels, max(0.0, backward) / pixels


def _least(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the faster of two goes, after one that warms up."""
    found = []
    for _ in range(3):
        before = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(time.perf_counter() - before)
    return min(found[1:])
