"""From what a person asked for to the runs that answer it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from restore import images
from restore.device import memory
from restore.errors import PriorError, UsageError
from restore.guidance import Guidance
from restore.images import Picture
from restore.options import build
from restore.planning.estimate import fitted
from restore.planning.estimators import QUALITIES, Recipe, recipe
from restore.plugins import manager as plugins
from restore.priors import GrayView, Prior
from restore.problem import Problem
from restore.sampling.samplers import Sampler
from restore.spec import parse
from restore.task import Task
from restore.tiling.batches import Run

LARGEST_WINDOW = 1024  # Pixels a side that go through the network at once.


@dataclass(frozen=True)
class Asked:
    """The words of a call that no task owns; see `Restorer.stream`."""

    seed: int = 0
    name: str = ""
    steps: int | None = None
    guidance: str | Guidance | None = None
    sampler: Sampler | None = None
    quality: Literal["fast", "balanced", "best"] = "balanced"
    samples: int = 1
    answer: str | None = None
    fidelity: float | None = None
    early_exit: float | None = None

    def check(self) -> None:
        """Raises UsageError for a value that is none."""
        if self.quality not in QUALITIES:
            raise UsageError(f"quality is {', '.join(QUALITIES[:-1])} or {QUALITIES[-1]}, got {self.quality!r}")
        if self.early_exit is not None and not 0 < self.early_exit <= 255:
            raise UsageError(f"early_exit is a change in grey levels, above 0 and up to 255, got {self.early_exit:g}")


@dataclass(frozen=True)
class Limits:
    """What bounds windows.

    Attributes:
        tile: side in pixels asked for; None leaves it to memory.
        max_memory: bytes for the whole process, if it is bounded.
    """

    tile: int | None = None
    max_memory: int | None = None

    @classmethod
    def of(cls, tile: int | None, max_memory: str | int | None) -> Limits:
        """Raises UsageError for a tile too small or a size that is none."""
        if tile is not None and tile < 64:
            raise UsageError(f"a tile needs a side of at least 64 pixels, got {tile}")
        return cls(tile, None if max_memory is None else memory.parse(max_memory))

    @property
    def largest(self) -> int:
        return self.tile or LARGEST_WINDOW

    def kept(self, runs: list[Run]) -> int | None:
        """The tile that makes the same answer again where there is more memory; None if memory had no say."""
        least = min(run.planned.largest for run in runs)
        return self.tile if self.tile or least == self.largest else least


@dataclass(frozen=True)
class Work:
    """What a call comes to.

    Attributes:
        chosen: the task's options.
        wanted: which runs make the answer, and how.
        runs: those, in order: samples first.
    """

    task: Task
    picture: Picture
    chosen: Any
    problem: Problem
    wanted: Recipe
    runs: list[Run]

    def answer(self, found: list[Tensor]) -> Tensor:
        """The answer (1, C, H, W) from what the runs gave, before it is put into range."""
        drawn = found[0]
        faithful = found[-1] if self.wanted.estimator is not None else mean(drawn)
        return self.wanted.mix(faithful, drawn[:1])


def mean(samples: Tensor) -> Tensor:
    """(1, C, H, W); of one sample that itself, as pictures may be large."""
    return samples if len(samples) == 1 else samples.mean(dim=0, keepdim=True)


def work(
    task: str | Task, image: Any, prior: Prior, asked: Asked, options: dict[str, Any], *, limits: Limits, device: torch.device
) -> Work:
    """Reads, checks and plans; nothing has gone through the network yet. Errors as for `Restorer.stream`."""
    asked.check()
    picture = images.as_picture(image)
    task = plugins.load().task(task) if isinstance(task, str) else task
    chosen: Any = build(task.Options, **options)
    problem = task.problem(picture, chosen)
    wanted = recipe(
        problem,
        given=_method(asked.guidance),
        tasks_own=task.guidance(problem, chosen),
        samples=asked.samples,
        answer=asked.answer,
        fidelity=asked.fidelity,
    )
    view = _prior_for(problem, prior)
    runs = []
    for method, count in ((wanted.sampler, wanted.samples), (wanted.estimator, 1)):
        if method is not None:
            preset, length = method.preset(asked.quality)
            transition = asked.sampler or preset.sampler()
            planned = fitted(
                problem,
                view,
                preset,
                transition,
                steps=length if asked.steps is None else asked.steps,
                largest=limits.largest,
                device=device,
                bound=limits.max_memory,
                choose=limits.tile is None,
            )
            names = tuple(f"{asked.name}#{index}" for index in range(count))
            tolerance = None if asked.early_exit is None else asked.early_exit / 127.5
            runs.append(Run(problem, view, preset, transition, planned, names, asked.seed, device, tolerance))
    return Work(task, picture, chosen, problem, wanted, runs)


def _method(given: str | Guidance | None) -> Guidance | None:
    """The method asked for."""
    if given is None or isinstance(given, Guidance):
        return given
    method: Guidance = parse("guidance", given, plugins.load().guidance)
    return method


def _prior_for(problem: Problem, prior: Prior) -> Prior:
    """The prior as pictures of the problem's channels see it."""
    channels = problem.shape[1]
    if channels == prior.channels:
        return prior
    if channels == 1:
        return GrayView(prior)
    raise PriorError(f"the prior knows pictures of {prior.channels} channel(s), the task asks for {channels}")
