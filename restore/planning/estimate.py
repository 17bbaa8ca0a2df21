"""What a run will take, before it runs: windows, evaluations, memory and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from restore.planning.dry_run import DryRun, dry_run
from restore.planning.plan import Plan, bytes_held, window_size
from restore.planning.timing import Evaluations, afterwards, beside_network, in_network


@dataclass(frozen=True)
class Estimate:
    """What a picture will take.

    Attributes:
        width, height: of the picture.
        windows: (count, width, height) of those evaluated in the first step, for each size.
        transitions: of all samples and boxes.
        evaluations: windows that go through the network, over all steps and samples, also those evaluated anew for a gradient.
        picture, window: bytes that the run holds of whole pictures, and in one evaluation.
        peak: bytes of the whole process (of the GPU's memory, for one) when most is held.
        seconds: by the time that one evaluation, and two transitions without the network, took.
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
    """What plans, one after the other, will take. One window is evaluated, to see how long it takes.

    Args:
        held: bytes that the process holds already.
        seconds: what has to be added, such as the time to set up the problem.
    """
    height, width = plans[0].problem.shape[-2:]
    plans = [plan for plan in plans if plan.boxes]
    tried = [dry_run(plan.problem, plan.prior, plan.guidance, plan.sampler, plan.schedule) for plan in plans]
    work = [_evaluations(plan, index, one) for plan, one in zip(plans, tried, strict=True) for index in range(len(plan.boxes))]
    if work:
        # Before memory is looked at: the first evaluation of a process also sets up libraries.
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
    """What the dry run's evaluations come to for the windows of a box."""
    top, bottom, left, right = plan.boxes[index]
    view = plan.view(index)
    counts = {level: view.count(bottom - top, right - left, level) for level in set(tried.levels)}
    forward = len(plan.names) * sum(
        counts[level] * pictures for level, pictures in zip(tried.levels, tried.pictures, strict=True)
    )
    backward = forward * tried.gradients / max(1, len(tried.levels))
    # Through several windows a gradient is taken window by window, each evaluated anew.
    anew = backward if max(bottom - top, right - left) > view.fits.window else 0
    first = counts[tried.levels[0]] if tried.levels else 0
    return Evaluations(window_size(plan, index), first, forward + anew, backward)
