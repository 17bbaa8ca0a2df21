"""Tunes a copy of a prior on what a measurement shows, and keeps the weights that restore held-out parts of it best."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.random import Generator as Dice
from torch import Tensor

from restore.adapting.material import SIDES, Crops, Material, material
from restore.adapting.states import Loss
from restore.device import memory
from restore.engine import reverse
from restore.errors import OutOfMemoryError, UsageError
from restore.options.length import Length
from restore.planning.activation_memory import evaluation
from restore.planning.plan import Plan
from restore.priors import Prior
from restore.priors.whereabouts import is_offloaded
from restore.sampling.noise import Noise
from restore.wording import called

BATCH = 4
RATE, WARM_UP = 2e-4, 10
AVERAGE = 0.95  # Decay of the moving average of weights, which is what is tested and kept.
EVERY = 25  # Steps between tests.
# In dB; the second where what is shown is a reduced picture: little of what is gained there is gained at the size wanted
# (docs/reports/adapting.md).
LEAST_GAIN, LEAST_OF_REDUCED = 0.05, 1.0


@dataclass(frozen=True)
class Tuning:
    """What became of a tuning, for records and messages.

    Attributes:
        steps: that were taken.
        kept: the step whose weights were kept; 0 for the prior's own.
        before, after: PSNR in dB on the parts held out, with the prior's own weights and with those kept.
    """

    steps: int
    kept: int
    before: float
    after: float

    @property
    def said(self) -> str:
        """One line for a person."""
        if self.kept == 0:
            return f"the prior stays as it is: no better after any of {self.steps} steps on this picture"
        gain = self.after - self.before
        return f"the prior was tuned on this picture: +{gain:.2f} dB on parts held out, after {self.kept} of {self.steps} steps"


@dataclass(frozen=True)
class Adapted:
    """The progress of `adapt`; `plans` and `tuning` at its end alone.

    Attributes:
        done: of `Length.total`.
        plans: with the tuned prior.
    """

    done: int
    plans: Sequence[Plan] | None = None
    tuning: Tuning | None = None


def adapt(plans: Sequence[Plan], length: Length, seed: int) -> Iterator[Adapted]:
    """Tune the prior of plans, all of one problem, for them alone; the prior given does not change.

    Tests are restored by the method of the last plan. The rate does not fall, so that a run of some steps does the same as the
    first steps of a longer one, and a run that was bound by time can be repeated by its steps.

    Raises: UsageError for a problem that shows nothing to learn from, and for priors that cannot be tuned.
    """
    plan = plans[-1]
    found = material(plan.problem)
    random = np.random.default_rng((seed, 0))
    tests = [_test(found, plan, crops, random) for crops in found.tests]
    prior, device = copy.deepcopy(plan.prior), plan.device
    weights: list[Tensor] = [one.requires_grad_(True) for one in prior.parameters()]
    average, kept = [one.detach().clone() for one in weights], [one.detach().clone() for one in weights]
    loss, optimizer = Loss.of(found, plan), torch.optim.Adam(weights, lr=RATE, betas=(0.9, 0.99))
    generator, dice = torch.Generator().manual_seed(seed), np.random.default_rng((seed, 1))
    began, step, best = time.monotonic(), 0, 0
    first = most = _psnrs(plan, prior, tests)
    least = LEAST_GAIN if plan.problem.y.shape == plan.problem.shape else LEAST_OF_REDUCED
    ended = False
    while not ended:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / WARM_UP)
        with torch.enable_grad():
            optimizer.zero_grad()
            loss(prior, found.crops(BATCH, dice), dice, generator, device).backward()
            optimizer.step()
        step += 1
        torch._foreach_lerp_(average, [one.detach() for one in weights], 1 - min(AVERAGE, step / (step + 9)))
        # The last weights are tested however a run ends: so as many steps, asked for, find the same.
        seconds = time.monotonic() - began
        ended = length.reached(step, seconds)
        if step % EVERY == 0 or ended:
            own = _set(weights, average)
            reached = _psnrs(plan, prior, tests)
            if reached.mean() > most.mean() and _is_better(reached, first, least):
                most, best, kept = reached, step, [one.clone() for one in average]
            _set(weights, own)
        yield Adapted(length.done(step, seconds))
    _set(weights, kept)
    prior.requires_grad_(False)
    tuning = Tuning(step, best, float(first.mean()), float(most.mean()))
    yield Adapted(length.total, [replace(one, prior=prior) for one in plans] if best else plans, tuning)


def check(plan: Plan, bound: int | None = None) -> None:
    """Raises what `adapt` would raise, at once.

    Args:
        bound: memory limit of the whole process in bytes.

    Raises: UsageError unless the prior of a plan can be tuned, the plan makes use of it, and there is something to learn from;
    OutOfMemoryError for a bound that is too small.
    """
    prior = plan.prior
    if prior.codec.modules() or prior.codec.factor > 1:
        raise UsageError(f"{called('adapt')}: this prior is one of latents; only priors of pixels are tuned")
    if is_offloaded(prior):
        raise UsageError(f"{called('adapt')}: weights that are offloaded cannot be tuned; leave out {called('offload')}")
    if not any(True for _ in prior.parameters()):
        raise UsageError(f"{called('adapt')}: {type(prior).__name__} has no weights to tune")
    if plan.guidance.from_picture:
        raise UsageError(
            f"{called('adapt')}: wide holes are filled with patches of the picture, not by the prior; "
            f"say {called('fill', 'smooth')}, or leave {called('adapt')} out"
        )
    material(plan.problem)
    needed = bytes_needed(plan)
    if bound is not None and needed > memory.room(plan.device, bound):
        raise OutOfMemoryError(
            f"{called('adapt')}: {memory.spell(bound)} of memory are too little to tune the prior, "
            f"which takes {memory.spell(needed, up=True)} more than the process holds"
        )


def bytes_needed(plan: Plan) -> int:
    """Peak bytes of a tuning, at most: a step's activations, and six copies of the weights, two of them the optimizer's."""
    weights = sum(one.numel() * one.element_size() for one in plan.prior.parameters())
    return evaluation(plan.prior, BATCH, SIDES[0], SIDES[0], graph=True, device=plan.device) + 6 * weights


Test = tuple[Plan, Crops]
"""A plan of the problem made of a crop, and the crop."""


def _test(found: Material, plan: Plan, crop: Crops, dice: Dice) -> Test:
    problem, crop = found.posed(crop, dice)
    schedule = plan.guidance.schedule(plan.prior, problem, len(plan.schedule) - 1)
    return replace(plan, problem=problem, posed=problem, schedule=schedule), crop


def _is_better(reached: Tensor, before: Tensor, least: float) -> bool:
    """Whether a gain is more than chance: on every test, and `least` dB in the mean."""
    gains = reached - before
    return bool(gains.mean() >= least and (gains > 0).all())


@torch.no_grad()
def _psnrs(plan: Plan, prior: Prior, tests: list[Test]) -> Tensor:
    """The PSNR in dB of each test over what is known and was not measured, restored with one seed whatever the weights."""
    reached, device = [], plan.device
    for index, (one, truth) in enumerate(tests):
        problem = one.problem
        start = one.guidance.begin(problem, [index]).to(device)
        problem = replace(problem, y=problem.y.to(device), operator=problem.operator.to(device), start=start)
        view = one.guidance.wrap_prior(prior)
        *_, x = reverse(problem, view, one.guidance, one.sampler, one.schedule.to(device), Noise([index]))
        missing = one.problem.operator.missing_mask(one.problem.shape)
        counted = (truth.known if missing is None else truth.known & missing).expand_as(truth.clean)
        reached.append(-10 * math.log10(float((x.cpu() - truth.clean)[counted].square().mean() / 4) + 1e-12))
    return torch.tensor(reached)


def _set(weights: list[Tensor], values: list[Tensor]) -> list[Tensor]:
    """Put values into weights; returns what was there."""
    with torch.no_grad():
        old = [one.detach().clone() for one in weights]
        torch._foreach_copy_(weights, values)
    return old
