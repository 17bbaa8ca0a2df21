"""Solves a measurement problem with a prior: makes plans, runs them transition by transition, and makes the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import fields, replace

import torch
from torch import Tensor
from typing_extensions import Unpack

from restore.device import memory
from restore.engine import reverse
from restore.errors import OutOfMemoryError, PriorError, UsageError
from restore.guidance import Guidance
from restore.guidance.checkpointed import Checkpointed
from restore.options import run_options
from restore.planning.activation_memory import Live
from restore.planning.boxes import part_of
from restore.planning.dry_run import needs_initial_estimate
from restore.planning.methods import blend, choose_methods, kind_of, mean, suited
from restore.planning.plan import LARGEST_WINDOW, Plan, fit, make_plan
from restore.priors import Prior
from restore.priors.latent.conditional import Conditional
from restore.priors.latent.conditions import Conditions
from restore.problem import Problem, check_operator
from restore.results.consistency import consistency
from restore.results.projection import project
from restore.results.result import Event, Result
from restore.run_options import RunOptions, SolveKeywords
from restore.sampling.noise import Noise, seed_for
from restore.sampling.samplers import Sampler, named
from restore.tiling.regions import crop


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
        problem: of one picture (B = 1).
        prior: a colour prior also restores gray pictures.
        guidance: a method, or `NAME[:key=value,...]`; by default chosen by the operator.
        device: of the prior; by default that of its weights.
        keywords: fields of `RunOptions` of scope "call": seed, steps, samples, fidelity, sampler, quality, name.

    Raises: UsageError, OperatorError, PriorError, OutOfMemoryError.
    """
    if not isinstance(problem, Problem):
        raise UsageError(f"problem: {problem!r} ({type(problem).__name__}) is not a Problem")
    if not isinstance(prior, Prior):
        raise UsageError(f"prior: {prior!r} ({type(prior).__name__}) is not a Prior")
    options = run_options("call", {"guidance": guidance, **keywords})
    check_operator(problem)
    plans, fidelity = prepare(problem, prior, options, device=device or device_of(prior))
    return run(plans, fidelity, options.seed)


def prepare(
    problem: Problem, prior: Prior, options: RunOptions, *, own: Guidance | None = None, device: torch.device
) -> tuple[list[Plan], float]:
    """Plans that fit into memory, one per method, samples first, and the fidelity of the result. Of networks it evaluates those
    that encode conditions and, for priors on latents, `problem.start`.

    Args:
        own: the task's default method.

    Raises: UsageError, OperatorError, PriorError; OutOfMemoryError where a bound on memory is too small.
    """
    prior, began = _for_channels(prior, problem.shape[1]), time.perf_counter()
    # Counting bytes costs time, and only text encoders and codecs have any to count.
    counts = bool(prior.codec.modules()) or any(isinstance(part, Conditional) for part in prior.modules())
    with Live() if counts else nullcontext() as live:
        prior = prior.given(conditions(options), problem)
        posed, problem = problem, _entered(problem, prior, device)
    before = time.perf_counter() - began, 0 if live is None else live.peak
    draws, fidelity = choose_methods(problem, options, suited(prior.guidance, problem, own))
    sampler = _sampler(options.sampler)
    bound = None if options.max_memory is None else memory.parse(options.max_memory)
    plans = []
    for chosen, count in draws:
        guidance, steps = chosen.preset(options.quality)
        guidance.check_operator(problem)
        plan = make_plan(
            problem,
            prior,
            guidance,
            sampler,
            posed=posed,
            steps=steps if options.steps is None else options.steps,
            names=tuple(f"{options.name}#{index}" for index in range(count)),
            largest=options.tile or LARGEST_WINDOW,
            device=device,
        )
        plans.append(replace(plan if options.tile else fit(plan, bound), before=before))
    return plans, fidelity


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


def device_of(prior: Prior) -> torch.device:
    """The device of a prior's weights; the CPU for a prior without."""
    return next((weights.device for weights in prior.parameters()), torch.device("cpu"))


def _sampler(sampler: str | Sampler | None) -> Sampler | None:
    if isinstance(sampler, str):
        return named(sampler)
    if sampler is None or callable(sampler):
        return sampler
    raise UsageError(f"sampler is a function or its name, got {sampler!r}")


def _for_channels(prior: Prior, channels: int) -> Prior:
    """The prior for pictures with this number of channels."""
    own = prior.codec.picture_channels
    if channels == own:
        return prior
    if channels == 1:
        return prior.in_gray()
    raise PriorError(f"the prior takes pictures of {own} channel(s), the problem has {channels}")


def conditions(options: RunOptions) -> Conditions:
    """What the options tell a conditional prior."""
    return Conditions(**{item.name: getattr(options, item.name) for item in fields(Conditions)})


@torch.no_grad()
def _entered(problem: Problem, prior: Prior, device: torch.device) -> Problem:
    """The problem in the prior's own space."""
    start = None if problem.start is None else problem.start.to(device)
    entered = prior.codec.enter(replace(problem, start=start))
    return entered if entered.start is None else replace(entered, start=entered.start.to(problem.y.device))
