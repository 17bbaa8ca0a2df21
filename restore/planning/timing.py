"""The time of a run beside its network: the initial estimate, the transitions, and what comes after them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from restore.engine import reverse
from restore.operators import Operator
from restore.planning.boxes import part_of, view_of
from restore.planning.coding import without_networks
from restore.planning.dry_run import Listener, beginning, needs_initial_estimate
from restore.planning.evaluations import growth, times
from restore.planning.plan import Plan
from restore.problem import Problem
from restore.results.consistency import consistency
from restore.results.projection import project
from restore.sampling.noise import Noise

PART = 128  # Side in pixels of the parts whose transitions are measured.
# Initial estimates are measured on small pictures, because they can take as long as many evaluations: for pictures up to a
# side, the small one's side, and the exponent by which seconds grow with pixels. Small ones are mostly overhead of each size of
# a pyramid. Measured on one core: within a third up to 128 pixels; for colour hints within 15 % at 256 and 1024, where holes
# take less than this says.
STAMPS = ((128, 16, 0.3), (255, 64, 0.8))
GROWTH = 0.06  # For larger ones: increase of the time per pixel when the number of pixels doubles.


def beside_network(plan: Plan) -> float:
    """Seconds of a plan's initial estimates and transitions, without the evaluations of the prior and of its codec."""
    areas = [(bottom - top) * (right - left) for top, bottom, left, right in plan.boxes]
    index = areas.index(max(areas))
    box = part_of(plan.problem, plan.boxes[index])
    part, guess = without_networks(_middle(box, PART)), 0.0
    if needs_initial_estimate(part, plan.prior, plan.schedule):
        own = plan.guidance.cost_to_begin(box)
        guess = (_of_initial_estimate(box) if own is None else own[0]) * sum(areas) / areas[index]
        part = replace(part, start=torch.zeros(part.shape))
    pixels = part.shape[-2] * part.shape[-1]
    batches = -(-len(plan.names) // plan.batch)
    walked = _of_transitions(plan, index, part) * sum(areas) / pixels * growth(areas[index], pixels)
    return guess * (len(plan.names) if plan.guidance.begins_each else batches) + walked * len(plan.names)


def afterwards(problem: Problem) -> float:
    """Seconds to project a result into range and compute its consistency."""
    x = torch.zeros(problem.shape)
    return min(times(lambda: (project(problem, x, rounds=1), consistency(problem, x))))


@torch.no_grad()
def _of_transitions(plan: Plan, index: int, part: Problem) -> float:
    """Seconds of all transitions on a part, from the first ones and the last.

    The first and the last are timed apart from the others: methods do more there, such as an estimate of their own.
    """
    schedule = short(plan.schedule)
    view = view_of(plan.guidance.wrap_prior(Listener(plan.prior)), part, plan.windows[index], plan.at_once, torch.device("cpu"))
    steps = len(plan.schedule) - 1
    tries: list[list[float]] = []

    def walk() -> None:
        lasted, before = [], time.perf_counter()
        for _ in reverse(part, view, plan.guidance, plan.sampler, schedule, Noise([0])):
            now = time.perf_counter()
            lasted.append(now - before)
            before = now
        tries.append(lasted)

    times(walk, tries=2)
    return extrapolated(min(tries, key=sum), steps)


def short(schedule: Tensor) -> Tensor:
    """A schedule of three transitions, to time them; of two where the level rises among the first."""
    if len(schedule) <= 4:
        return schedule
    return torch.cat([schedule[:3], schedule[-1:]]) if schedule[2] < schedule[1] else beginning(schedule)


def extrapolated(lasted: list[float], steps: int) -> float:
    """Seconds of so many transitions, from those of three or fewer: the first, others, and the last."""
    if len(lasted) < 3:
        return sum(lasted) / len(lasted) * steps
    return lasted[0] + lasted[-1] + sum(lasted[1:-1]) / len(lasted[1:-1]) * (steps - 2)


@torch.no_grad()
def _of_initial_estimate(box: Problem) -> float:
    """Seconds of a box's initial estimate, extrapolated from a small one."""
    height, width = box.shape[-2:]
    stamp, power = next(((stamp, power) for side, stamp, power in STAMPS if max(height, width) <= side), (PART, None))
    size = min(height, stamp), min(width, stamp)
    estimate = _estimator(box, box.operator.resized(size), size)
    before = time.perf_counter()
    estimate()
    seconds = time.perf_counter() - before
    ratio = height * width / (size[0] * size[1])
    return seconds * (ratio * growth(ratio, 1, GROWTH) if power is None else ratio**power)


def _estimator(box: Problem, operator: Operator | None, size: tuple[int, int]) -> Callable[[], Tensor]:
    """What makes an initial estimate of this size: of a picture of noise, or without an operator for it of the box's middle."""
    if operator is None:
        part = _middle(box, max(size))
        return lambda: part.operator.initial_estimate(part.y)
    x = torch.rand(1, box.shape[1], *size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    y = operator(x)
    return lambda: operator.initial_estimate(y)


def _middle(problem: Problem, side: int) -> Problem:
    """The middle of a problem, at most `side` pixels a side, if its operator can be cropped."""
    height, width = problem.shape[-2:]
    rows, columns = min(height, side), min(width, side)
    top, left = (height - rows) // 2, (width - columns) // 2
    return part_of(problem, (top, top + rows, left, left + columns))
