"""Estimates of a run's windows, evaluations, memory and time, before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from restore.planning.coding import Coded, seconds_to_code
from restore.planning.dry_run import FLOOR, DryRun, dry_run, needs_initial_estimate
from restore.planning.evaluations import Evaluations, in_network
from restore.planning.plan import Plan, bytes_held, window_size
from restore.planning.timing import afterwards, beside_network


@dataclass(frozen=True)
class Estimate:
    """The estimated cost of restoring a picture.

    Attributes:
        width, height: of the result in pixels.
        windows: (count, width, height) for each size of window in the first step.
        transitions: of all samples and boxes.
        evaluations: windows evaluated by the network, over all steps and samples, including those repeated for a gradient.
        encodings, decodings: pictures that the codec of a prior on latents encodes and decodes in the run, without those that
            were encoded for the problem before it.
        picture, window: bytes of the whole pictures in memory, and of one evaluation.
        peak: largest number of bytes of the whole process, or of the GPU's memory.
        seconds: extrapolated from evaluations and transitions on parts of the picture.
        coarse: whether `picture` and `window` are rules of thumb, as for pictures of up to 256 x 256 pixels, whose memory
            hardly shows beside what the process holds anyway.
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
    coarse: bool
    encodings: int = 0
    decodings: int = 0


def estimate(plans: Sequence[Plan], *, held: int = 0, seconds: float = 0.0) -> Estimate:
    """The cost of plans that run one after the other. One window is evaluated to measure its time.

    Args:
        held: bytes that the process uses already.
        seconds: time to add, such as that of setting up the problem.
    """
    height, width = plans[0].posed.shape[-2:]
    factor = plans[0].prior.codec.factor
    before = max(plan.before for plan in plans)
    plans = [plan for plan in plans if plan.boxes]
    tried = [plan.tried or _tried(plan) for plan in plans]
    work = [
        some
        for plan, one in zip(plans, tried, strict=True)
        for index in range(len(plan.boxes))
        for some in _evaluations(plan, index, one)
    ]
    coded = [_coded(plan, one) for plan, one in zip(plans, tried, strict=True)]
    rough, seconds = 0, seconds + before[0]
    if work:
        # Before memory is counted, because the first evaluation of a process also sets up libraries.
        in_all, rough = in_network(plans[0].prior, work, plans[0].device)
        seconds += (
            in_all
            + sum(
                seconds_to_code(plan.prior.codec, (height, width), one, plan.device)
                for plan, one in zip(plans, coded, strict=True)
            )
            + afterwards(plans[0].posed)
            + sum(beside_network(plan) for plan in plans)
        )
    picture = window = 0
    for plan, one in zip(plans, tried, strict=True):
        whole, bytes_of_one, count = bytes_held(plan, one, rough)
        picture, window = max(picture, whole), max(window, bytes_of_one * count)
    found: dict[tuple[int, int], int] = {}
    for one_box in work:
        found[one_box.size] = found.get(one_box.size, 0) + one_box.first
    return Estimate(
        width=width,
        height=height,
        windows=tuple((count, size[1] * factor, size[0] * factor) for size, count in found.items()),
        transitions=sum(plan.steps for plan in plans),
        evaluations=round(sum(one_box.forward for one_box in work)),
        picture=picture,
        window=window,
        peak=held + max(picture + window, before[1]),
        seconds=seconds,
        coarse=any(one.coarse for one in tried),
        encodings=sum(one.encoded for one in coded),
        decodings=sum(one.decoded for one in coded),
    )


def _coded(plan: Plan, tried: DryRun) -> Coded:
    """The codec's work for all samples: that of the transitions, of the initial estimate of a batch, and of the answers."""
    if plan.prior.codec.factor == 1 and not plan.prior.codec.modules():
        return Coded()
    count, one = len(plan.names), tried.coded
    begun = -(-count // plan.batch) if needs_initial_estimate(plan.problem, plan.prior, plan.schedule) else 0
    return Coded(
        encoded=count * one.encoded + begun,
        decoded=count * (one.decoded + 1),
        through_encoder=count * one.through_encoder,
        through_decoder=count * one.through_decoder,
    )


def _tried(plan: Plan) -> DryRun:
    return dry_run(plan.problem, plan.prior, plan.guidance, plan.sampler, plan.schedule, floor=FLOOR)


def _evaluations(plan: Plan, index: int, tried: DryRun) -> list[Evaluations]:
    """The evaluations of a dry run, converted to windows of a box; for each size of pictures that a method evaluates."""
    top, bottom, left, right = plan.boxes[index]
    view, found = plan.view(index), []
    per_evaluation = tried.gradients / max(1, len(tried.asked))
    for share in dict.fromkeys(one.share for one in tried.asked):
        asked = [one for one in tried.asked if one.share == share]
        height, width = round(share[0] * (bottom - top)), round(share[1] * (right - left))
        counts = {one.level: view.count(height, width, one.level) for one in asked}
        forward = len(plan.names) * sum(counts[one.level] * one.pictures for one in asked)
        backward = forward * per_evaluation
        # For a gradient through several windows each window is evaluated again.
        anew = backward if max(height, width) > view.fits.window else 0
        found.append(Evaluations(window_size(plan, index, share), counts[asked[0].level], forward + anew, backward))
    return found
