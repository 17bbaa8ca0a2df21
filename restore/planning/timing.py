"""The time of a run, extrapolated from one evaluation of the prior and two transitions without it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from restore.engine import reverse
from restore.planning.dry_run import Listener, beginning, needs_initial_estimate
from restore.planning.plan import Plan, part_of, view_of
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.results.consistency import consistency
from restore.results.projection import project
from restore.sampling.noise import Noise

SHARE = 1 / 8  # Largest share of a run's evaluations that a measurement takes, except for small pictures.
SMALL = 256  # Side in pixels up to which pictures are measured whole.
PART = 128  # The same for initial estimates, which can take as long as many evaluations.
WARM_UP = 64  # Side in pixels of the first evaluation, in which libraries set themselves up.
ENOUGH = 0.05  # Seconds; shorter measurements are repeated.
# Relative increase of the time per pixel when the number of pixels doubles. From 256 to 1024 pixels a side that of the bundled
# prior rose by 0.04 to 0.17 per doubling: glibc gets tensors of 32 MB and more from the system each time.
GROWTH = 0.15
GROWTH_OF_ESTIMATES = 0.06  # The same for initial estimates, whose tensors are smaller; from 128 to 1024 pixels a side.


@dataclass(frozen=True)
class Evaluations:
    """Evaluations of the prior in one box of a picture.

    Attributes:
        size: (height, width) of the windows.
        first: windows of the first evaluation.
        forward, backward: windows evaluated, and gradients taken through them, over all steps and samples.
    """

    size: tuple[int, int]
    first: int
    forward: float
    backward: float

    @property
    def pixels(self) -> int:
        """Of one window."""
        return self.size[0] * self.size[1]


def in_network(prior: Prior, work: Sequence[Evaluations], device: torch.device) -> float:
    """Seconds of all evaluations, extrapolated from one window that is small against their total."""
    total = sum(one.pixels * (one.forward + 2 * one.backward) for one in work)
    largest = max(work, key=lambda one: one.pixels).size
    # Twice, as the first of a size also takes its memory from the system; both together cost one evaluation at most.
    side = max(SMALL, int((min(SHARE * total, math.prod(largest)) / 2) ** 0.5))
    gradients = any(one.backward for one in work)
    small = min(largest[0], WARM_UP), min(largest[1], WARM_UP)
    set_up, few, _ = _evaluated(prior, small, device, gradients=gradients, tries=1)
    window = min(largest[0], side), min(largest[1], side)
    (forward, backward), pixels, first = _evaluated(prior, window, device, gradients=gradients, tries=3, at_least=2)
    seconds = sum(
        one.pixels / pixels * _growth(one.pixels, pixels) * (one.forward * forward + one.backward * backward) for one in work
    )
    takes_memory = (first - forward) * math.prod(largest) / pixels
    return seconds + takes_memory + max(0.0, sum(set_up) - (forward + backward) * few / pixels)


def beside_network(plan: Plan) -> float:
    """Seconds of a plan's initial estimates and transitions, without the evaluations."""
    areas = [(bottom - top) * (right - left) for top, bottom, left, right in plan.boxes]
    index = areas.index(max(areas))
    box = part_of(plan.problem, plan.boxes[index])
    part = _middle(box, SMALL)
    listener = Listener(plan.prior)
    schedule, seconds = beginning(plan.schedule), 0.0
    with torch.no_grad():
        if needs_initial_estimate(part, plan.prior, plan.schedule):
            seconds = _of_initial_estimate(_middle(box, PART), box) * sum(areas) / areas[index]
            part = replace(part, start=torch.zeros(part.shape))
        view = view_of(plan.guidance.wrap_prior(listener), part, plan.windows[index], plan.at_once, torch.device("cpu"))

        def walk() -> None:
            for _ in reverse(part, view, plan.guidance, plan.sampler, schedule, Noise([0])):
                pass

        transitions = min(_times(walk)) / (len(schedule) - 1) * (len(plan.schedule) - 1)
    pixels = part.shape[-2] * part.shape[-1]
    batches = -(-len(plan.names) // plan.batch)
    return seconds * batches + transitions * len(plan.names) * sum(areas) / pixels * _growth(areas[index], pixels)


def afterwards(problem: Problem) -> float:
    """Seconds to project a result into range and compute its consistency."""
    x = torch.zeros(problem.shape)
    return min(_times(lambda: (project(problem, x, rounds=1), consistency(problem, x))))


def _of_initial_estimate(part: Problem, box: Problem) -> float:
    """Seconds of a box's initial estimate, extrapolated from a part of it."""
    before = time.perf_counter()
    part.operator.initial_estimate(part.y)
    seconds = time.perf_counter() - before
    pixels, all_pixels = (one.shape[-2] * one.shape[-1] for one in (part, box))
    return seconds * all_pixels / pixels * _growth(all_pixels, pixels, GROWTH_OF_ESTIMATES)


def _middle(problem: Problem, side: int) -> Problem:
    """The middle of a problem, at most `side` pixels a side, if its operator can be cropped."""
    height, width = problem.shape[-2:]
    rows, columns = min(height, side), min(width, side)
    top, left = (height - rows) // 2, (width - columns) // 2
    return part_of(problem, (top, top + rows, left, left + columns))


def _evaluated(
    prior: Prior, size: tuple[int, int], device: torch.device, *, gradients: bool, tries: int, at_least: int = 1
) -> tuple[tuple[float, float], int, float]:
    """Times D and its gradient, for a window of this size rounded down to the network's blocks.

    Returns: seconds of both, the window's pixels, seconds of the first D.
    """
    height, width = (max(prior.multiple_of, side // prior.multiple_of * prior.multiple_of) for side in size)
    x = torch.zeros(1, prior.channels, height, width, device=device)

    with torch.no_grad():
        found = _times(lambda: prior(x, 1.0), tries, at_least)
    forward, first = min(found), found[0]
    if not gradients:
        return (forward, 0.0), height * width, first
    x.requires_grad_()
    both = min(_times(lambda: torch.autograd.grad(prior(x, 1.0).sum(), x), tries, at_least))
    return (forward, max(0.0, both - forward)), height * width, first


def _growth(pixels: int, measured: int, growth: float = GROWTH) -> float:
    """Factor of the time per pixel between `pixels` and `measured` pixels."""
    return 1 + growth * max(0.0, math.log2(pixels / measured))


def _times(work: Callable[[], object], tries: int = 3, at_least: int = 1) -> list[float]:
    """Seconds of each try: `at_least` of them, and up to `tries` while they take less than `ENOUGH` together."""
    found: list[float] = []
    while len(found) < at_least or (len(found) < tries and sum(found) < ENOUGH):
        before = time.perf_counter()
        work()
        if torch.cuda.is_initialized():  # GPU work is asynchronous.
            torch.cuda.synchronize()
        found.append(time.perf_counter() - before)
    return found
