"""Solves a measurement problem with a prior: makes plans, runs them transition by transition, and makes the result."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace

import torch
from torch import Tensor
from typing_extensions import Unpack

from restore.adapting.tuning import adapt
from restore.device import memory
from restore.engine import reverse
from restore.errors import OutOfMemoryError, UsageError
from restore.guidance import Guidance
from restore.guidance.checkpointed import Checkpointed
from restore.options.checked import run_options
from restore.options.signatures import SolveKeywords
from restore.planning.boxes import part_of
from restore.planning.dry_run import needs_initial_estimate
from restore.planning.methods import blend, kind_of, mean
from restore.planning.plan import Plan
from restore.priors import Prior
from restore.priors.whereabouts import device_of
from restore.problem import Problem, check_operator
from restore.results.consistency import consistency
from restore.results.projection import project
from restore.results.result import Event, Result
from restore.sampling.noise import Noise, seed_for
from restore.solving.batch import joined, parts_of
from restore.solving.preparing import prepare
from restore.tiling.regions import crop

logger = logging.getLogger("restore")


def solve(
    problem: Problem,
    prior: Prior,
    guidance: str | Guidance | None = None,
    *,
    device: torch.device | None = None,
    **keywords: Unpack[SolveKeywords],
) -> Iterator[Event]:
    """Solve a problem; yields an event per transition. Leave the loop to cancel.

        operator = Blur.gaussian((256, 256), 2.0)
        problem = Problem(y=y, operator=operator, sigma_y=0.05, shape=(1, 3, 256, 256))
        for event in restore.solve(problem, prior):
            print(event.step, event.steps)
        event.result.x  # (1, 3, 256, 256) in [-1, 1]

    Args:
        problem: of one picture, or of B > 1, which are solved one after the other, each as if alone under the name that its
            index is ("0", "1", ..., after `name/` where a name is given); the result is of all.
        prior: a colour prior also restores gray pictures.
        guidance: a method, or `NAME[:key=value,...]`; by default chosen by the operator.
        device: of the prior; by default that of its weights.
        keywords: fields of `RunOptions` of scope "call": seed, steps, samples, fidelity, adapt, sampler, quality, name.

    Raises: UsageError, OperatorError, PriorError, OutOfMemoryError.
    """
    if not isinstance(problem, Problem):
        raise UsageError(f"problem: {problem!r} ({type(problem).__name__}) is not a Problem")
    if not isinstance(prior, Prior):
        raise UsageError(f"prior: {prior!r} ({type(prior).__name__}) is not a Prior")
    options = run_options("call", {"guidance": guidance, **keywords})
    check_operator(problem)
    device = device or device_of(prior)
    if problem.shape[0] == 1:
        plans, fidelity = prepare(problem, prior, options, device=device)
        return run(plans, fidelity, options.seed)
    each = [
        prepare(part, prior, replace(options, name=f"{options.name}/{index}".lstrip("/")), device=device)
        for index, part in enumerate(parts_of(problem))
    ]
    return _run_each(each, options.seed)


def _run_each(each: Sequence[tuple[list[Plan], float]], seed: int) -> Iterator[Event]:
    """Run the plans of several pictures; yields the events of all, the last with the result of all."""
    done, steps = 0, sum(plan.steps for plans, _ in each for plan in plans)
    results = []
    for plans, fidelity in each:
        for event in run(plans, fidelity, seed):
            if event.result is not None:
                results.append(event.result)
            else:
                yield replace(event, step=done + event.step, steps=steps)
        done += sum(plan.steps for plan in plans)
    result = joined(results)
    yield Event(steps, steps, result.x, result)


def run(
    plans: Sequence[Plan],
    fidelity: float,
    seed: int,
    finish: Callable[[Result], Result] = lambda result: result,
    *,
    gradients: bool = False,
) -> Iterator[Event]:
    """Run the plans of one problem; yields an event per transition, the last with the result.

    Args:
        finish: applied to the result before it is yielded.
        gradients: whether the result has the gradient of y; with it only point estimates run.

    Raises: OutOfMemoryError if the smallest window does not fit; UsageError for a method that has no gradient.
    """
    walk = _walk if gradients else torch.no_grad()(_walk)
    plans = [replace(plan, guidance=Checkpointed(plan.guidance)) for plan in plans] if gradients else plans
    step, steps = 0, sum(plan.steps for plan in plans)
    tuning = None
    if plans[0].adapt is not None:
        state, ahead = plans[0].problem.operator.pinv(plans[0].problem.y), plans[0].adapt.total
        for progress in adapt(plans, plans[0].adapt, seed):
            yield Event(progress.done, steps + ahead, state, decode=plans[0].decode)
            plans, tuning = progress.plans or plans, progress.tuning
        if tuning is not None:
            logger.info("%s", tuning.said)
        step, steps = ahead, steps + ahead
    pictures = []
    for plan in plans:
        drawn = []
        for x, done in walk(plan, seed):
            if done is None:
                step += 1
                yield Event(step, steps, x, decode=plan.decode)
            else:
                drawn.append(done)
        pictures.append(torch.cat(drawn) if len(drawn) > 1 else drawn[0])
    problem, samples = plans[0].posed, pictures[0]
    x = project(problem, blend(pictures, fidelity))
    result = Result(
        x=x,
        samples=samples,
        mean=mean(samples),
        std=samples.std(dim=0, keepdim=True) if len(samples) > 1 else None,
        consistency=consistency(problem, x),
        answer=kind_of([plan.guidance for plan in plans], fidelity),
        fidelity=fidelity,
        record={} if tuning is None else {"adapted": asdict(tuning)},
    )
    yield Event(steps, steps, x, finish(result))


def last(events: Iterator[Event]) -> Result:
    """The result of a run that is taken to its end."""
    result = None
    for event in events:
        result = event.result
    assert result is not None
    return result


def _walk(plan: Plan, seed: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yields (state (B, C, h, w), None) after each transition, and twice its pictures (B, C, H, W) after each batch."""
    height, width = plan.problem.shape[-2:]
    whole = (0, height, 0, width)
    for first in range(0, len(plan.names), plan.batch):
        names = plan.names[first : first + plan.batch]
        done = None
        if plan.boxes != (whole,):
            done = plan.problem.operator.pinv(plan.problem.y).repeat(len(names), 1, 1, 1)
        for index, box in enumerate(plan.boxes):
            x = torch.zeros(1)
            for x in _restored(plan, index, names, seed):
                yield x, None
            if done is None:
                done = x.cpu()
            else:
                crop(done, box).copy_(x)
        assert done is not None
        yield done, plan.decode(done)


def _restored(plan: Plan, index: int, names: Sequence[str], seed: int) -> Iterator[Tensor]:
    """The states after the transitions of one box, for a batch of samples."""
    part, device = part_of(plan.problem, plan.boxes[index]), plan.device
    part = replace(
        part,
        operator=part.operator.to(device),
        y=part.y.to(device),
        start=None if part.start is None else part.start.to(device),
        constraint=None if part.constraint is None else part.constraint.to(device),
    )
    seeds = [seed_for(seed, f"{name}/{index}") for name in names]
    if needs_initial_estimate(part, plan.prior, plan.schedule):
        part = replace(part, start=plan.guidance.begin(part, seeds))
    part = replace(part, y=part.y.expand(len(names), *part.y.shape[1:]), shape=(len(names), *part.shape[1:]))
    noise = Noise(seeds)
    try:
        yield from reverse(part, plan.view(index), plan.guidance, plan.sampler, plan.schedule.to(device), noise)
    except OutOfMemoryError:
        raise
    except (RuntimeError, MemoryError) as error:
        if not memory.is_lack_of_memory(error):
            raise
        height, width = (plan.prior.codec.factor * side for side in part.shape[-2:])
        raise OutOfMemoryError(
            f"not enough memory for {len(names)} picture(s) of {width}x{height} pixels, whatever the window; "
            "free some memory, or cut the picture"
        ) from error
