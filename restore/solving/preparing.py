"""From a problem and options to plans: the prior's own space, methods, and windows that fit into memory."""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from dataclasses import fields, replace

import torch

from restore.adapting.material import is_answered
from restore.adapting.tuning import check
from restore.device import memory
from restore.errors import PriorError, UsageError
from restore.guidance import Guidance
from restore.options.length import Length
from restore.options.run_options import RunOptions
from restore.planning.activation_memory import Live
from restore.planning.methods import choose_methods, suited
from restore.planning.plan import LARGEST_WINDOW, Plan, fit, make_plan
from restore.priors import Prior
from restore.priors.latent.conditional import Conditional
from restore.priors.latent.conditions import Conditions
from restore.problem import Problem
from restore.sampling.samplers import Sampler, named

logger = logging.getLogger("restore")


def prepare(
    problem: Problem, prior: Prior, options: RunOptions, *, own: Guidance | None = None, device: torch.device
) -> tuple[list[Plan], float]:
    """Plans that fit into memory, one per method, samples first, and the fidelity of the result. Of networks it evaluates those
    that encode conditions and, for priors on latents, `problem.start`.

    Args:
        own: the task's default method.

    Raises: UsageError, OperatorError, PriorError; OutOfMemoryError where a bound on memory is too small.
    """
    length = None if options.adapt is None else Length.of(options.adapt)
    if length is not None and is_answered(problem):
        logger.info("nothing is left to restore, so the prior is not tuned")
        length = None
    prior, began = _for_channels(prior, problem.shape[1]), time.perf_counter()
    # Counting bytes costs time, and only text encoders and codecs have any to count.
    counts = bool(prior.codec.modules()) or any(isinstance(part, Conditional) for part in prior.modules())
    with Live() if counts else nullcontext() as live:
        prior = prior.given(conditions(options), problem)
        posed, problem = problem, _entered(problem, prior, device)
    before = time.perf_counter() - began, 0 if live is None else live.peak
    if own is not None and own.from_picture and conditions(options).say_something:
        own = None
    draws, fidelity = choose_methods(problem, options, suited(prior.guidance, problem, own))
    for said in dict.fromkeys(chosen.announce(problem) for chosen, _ in draws):
        if said:
            logger.info("%s", said)
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
        plans.append(replace(plan if options.tile else fit(plan, bound), before=before, adapt=length))
    if length is not None:
        check(plans[-1], bound)
    return plans, fidelity


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
