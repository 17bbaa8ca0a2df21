"""Estimates of a run's windows, evaluations, memory and time, before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from restore.planning.dry_run import DryRun, dry_run
from restore.planning.plan import Plan, bytes_held, window_size
from restore.planning.timing import Evaluations, afterwards, beside_network, in_network


@dataclass(frozen=True)
class Estimate:
    """The estimated cost of restoring a picture.

    Attributes:
        width, height: of the result in pixels.
        windows: (count, width, height) for each size of window in the first step.
        transitions: of all samples and boxes.
        evaluations: windows evaluated by the network, over all steps and samples, including those repeated for a gradient.
        picture, window: bytes of the whole pictures in memory, and of one evaluation.
        peak: largest number of bytes of the whole process, or of the GPU's memory.
        seconds: extrapolated from one evaluation and from two transitions without the network.
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


def estimate(plans: Sequence[Plan], *, held: int = 0, seconds: float = 0.0) -> Estimate:
    """The cost of plans that run one after the other. One window is evaluated to measure its time.

    Args:
        held: bytes that the process uses already.
        seconds: time to add, such as that of setting up the problem.
    """
    height, width = plans[0].problem.shape[-2:]
    plans = [plan for plan in plans if plan.boxes]
    tried = [dry_run(plan.problem, plan.prior, plan.guidance, plan.sampler, plan.schedule) for plan in plans]
    work = [_evaluations(plan, index, one) for plan, one in zip(plans, tried, strict=True) for index in range(len(plan.boxes))]
    if work:
        # Before memory is measured, because the first evaluation of a process also sets up libraries.
        seconds += in_network(plans[0].prior, work, plans[0].device) + afterwards(plans[0].problem)
        seconds += sum(beside_network(plan) for plan in plans)
    picture = window = 0
    for plan, one in zip(plans, tried, strict=True):
        whole, bytes_of_one, count = bytes_held(plan, one)
        picture, window = max(picture, whole), max(window, bytes_of_one * count)
    found: dict[tuple[int, int], int] = {}
    for one_box in work:
        found[one_box.size] = found.get(one_box.size, 0) + one_box.first
    return Estimate(
        width=width,
        height=height,
        windows=tuple((count, size[1], size[0]) for size, count in found.items()),
        transitions=sum(plan.steps for plan in plans),
        evaluations=round(sum(one_box.forward for one_box in work)),
        picture=picture,
        window=window,
        peak=held + picture + window,
        seconds=seconds,
    )


def _evaluations(plan: Plan, index: int, tried: DryRun) -> Evaluations:
    """The evaluations of a dry run, converted to windows of a box."""
    top, bottom, left, right = plan.boxes[index]
    view = plan.view(index)
    counts = {level: view.count(bottom - top, right - left, level) for level in set(tried.levels)}
    forward = len(plan.names) * sum(
        counts[level] * pictures for level, pictures in zip(tried.levels, tried.pictures, strict=True)
    )
    backward = forward * tried.gradients / max(1, len(tried.levels))
    # For a gradient through several windows each window is evaluated again.
    anew = backward if max(bottom - top, right - left) > view.fits.window else 0
    first = counts[tried.levels[0]] if tried.levels else 0
    return Evaluations(window_size(plan, index), first, forward + anew, backward)
