"""Photographs damaged in five ways, and methods ready to answer them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from restore import Restorer
from restore.errors import OperatorError
from restore.guidance import Guidance
from restore.operators import Downsample, GrayWithHints, Identity, Mask
from restore.options.checked import build
from restore.planning.plan import make_plan
from restore.plugins import manager as plugins
from restore.problem import Problem
from restore.solving import solver

SIGMA = 25 / 127.5


@dataclass(frozen=True)
class Case:
    """One picture damaged in one way; `where` marks the pixels that count."""

    task: str
    problem: Problem
    truth: Tensor
    where: Tensor


def cases(x: Tensor, seed: int) -> Iterator[Case]:
    """Every task for one picture; measurements that come as files are rounded to 8 bits."""
    shape, size = tuple(x.shape), x.shape[-1]
    rng = np.random.default_rng(seed)
    random = torch.from_numpy(rng.random((1, 1, size, size)))
    everywhere = torch.ones_like(x, dtype=torch.bool)
    keep = random >= 0.8
    yield Case("80 % missing", Problem(x * keep, Mask(keep), 0.0, shape), x, ~keep.expand_as(x))
    keep = torch.ones(1, 1, size, size, dtype=torch.bool)
    for top, left in rng.integers(0, size - 32, (4, 2)):
        keep[..., top : top + 32, left : left + 32] = False
    yield Case("holes of 32 pixels", Problem(x * keep, Mask(keep), 0.0, shape), x, ~keep.expand_as(x))
    operator = Downsample((size, size), 4)
    y = ((operator(x) + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1
    yield Case("super-resolution x4", Problem(y, operator, 0.0, shape), x, everywhere)
    noise = torch.from_numpy(rng.standard_normal(shape)).float()
    yield Case("denoise 25", Problem(x + SIGMA * noise, Identity(), SIGMA, shape), x, everywhere)
    hinted = GrayWithHints(random < 0.01)
    yield Case("colorize, 1 % hints", Problem(hinted(x), hinted, 0.0, shape), x, everywhere)


OWN = {"80": "inpaint", "holes": "inpaint", "colorize": "colorize"}  # By a task's first word.


def method_of(name: str, case: Case) -> Guidance:
    """The method of a name like `tds:particles=4`; for `pnp` the task's own form of it."""
    word = re.split("[ ,-]", case.task)[0]
    if name == "pnp" and word in OWN:
        task = plugins.load().task(OWN[word])
        given = {"hints": "given"} if word == "colorize" else {}
        own: Guidance | None = task.guidance(case.problem, build(task.Options, **given))
        if own is not None:
            return own
    name, _, arguments = name.partition(":")
    words = {key: int(value) for key, _, value in (part.partition("=") for part in filter(None, arguments.split(",")))}
    method: Guidance = plugins.load().guidance(name)(**words)
    return method


def ready(restorer: Restorer, case: Case, name: str, steps: int, samples: int = 1) -> Callable[[int], Tensor] | None:
    """Draws so many answers from number n on, (samples, 3, H, W); None where the method refuses the task."""
    method = method_of(name, case)
    try:
        method.check(case.problem)
    except OperatorError:
        return None
    plan = make_plan(case.problem, restorer.prior, method, steps=steps, device=restorer.placement.device)

    def draw(n: int) -> Tensor:
        *_, last = solver.run([replace(plan, names=tuple(str(n + index) for index in range(samples)))], 0.0, 0)
        return last.result.samples

    return draw
