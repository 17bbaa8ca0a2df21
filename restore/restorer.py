"""The Python API: a prior, placed; tasks run on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from restore import images, memory, plugins, pretrained, record
from restore.answers import QUALITIES, Recipe, recipe
from restore.errors import PriorError, UsageError
from restore.feasible import into_range
from restore.forecast import Forecast, fitted, forecast
from restore.guidance import Guidance
from restore.images import Picture
from restore.kernels import Kernel
from restore.options import build
from restore.placement import Placement
from restore.priors import GrayOf, Prior
from restore.problem import Problem
from restore.result import Event, Result
from restore.runs import Run
from restore.task import Task

LARGEST_WINDOW = 1024  # Pixels a side that go through the network at once.


class Restorer:
    """Restores pictures with one prior. Immutable: one restorer serves many calls.

    Args:
        prior: what clean pictures look like.
        placement: where the prior runs; this machine's best by default.
        name: what the record calls the prior.
        tile: largest side in pixels that goes through the network at once; by default 1024, or less where memory is short.
        max_memory: what the whole process may take (on a GPU, of its memory): a size such as "2GB", or bytes.
    """

    def __init__(
        self,
        prior: Prior,
        *,
        placement: Placement | None = None,
        name: str = "custom",
        tile: int | None = None,
        max_memory: str | int | None = None,
    ) -> None:
        if tile is not None and tile < 64:
            raise UsageError(f"a tile needs a side of at least 64 pixels, got {tile}")
        self.placement = placement or Placement.current()
        self.prior = prior.to(self.placement.device)
        self.name = name
        self.tile, self.largest = tile, tile or LARGEST_WINDOW
        self.max_memory = None if max_memory is None else memory.parse(max_memory)

    @classmethod
    def from_pretrained(
        cls,
        name: str = "photo",
        *,
        device: str | None = None,
        dtype: str | None = None,
        tile: int | None = None,
        max_memory: str | int | None = None,
        local_files_only: bool = False,
    ) -> Restorer:
        """Loads a prior by name: a bundled one, a model folder, a Hub id, or `scheme:id`.

        Args:
            device: "cpu", "cuda", "cuda:1", "mps"; the machine's best by default.
            dtype: arithmetic of the network, "float32", "bfloat16" or "float16"; by default what the hardware does natively.
            tile, max_memory: see `Restorer`.
            local_files_only: never ask the network for a model.

        Raises: PriorError if the prior is missing or broken; UsageError for an unknown device, dtype, scheme or size.
        """
        placement = Placement.current(device, dtype)
        prior = pretrained.prior(name, dtype=placement.dtype, local_files_only=local_files_only)
        return cls(prior, placement=placement, name=name, tile=tile, max_memory=max_memory)

    @cached_property
    def prior_hash(self) -> str:
        return record.hash_of(self.prior)

    def __call__(self, task: str | Task, image: Any, **keywords: Any) -> Result:
        """Runs a task on one picture to the end; arguments and errors as for `stream`."""
        *_, last = self.stream(task, image, **keywords)
        assert last.result is not None
        return last.result

    def map(self, task: str | Task, pictures: Iterable[Any], **keywords: Any) -> Iterator[Result]:
        """Runs a task on many pictures, one result each; a tensor (B, C, H, W) is B pictures. Arguments as for `stream`.

        Each picture has noise of its own, by its place in the sequence.
        """
        for index, picture in enumerate(pictures):
            yield self(task, picture, **{"name": str(index), **keywords})

    def stream(
        self,
        task: str | Task,
        image: Any,
        *,
        seed: int = 0,
        name: str = "",
        steps: int | None = None,
        guidance: str | Guidance | None = None,
        kernel: Kernel | None = None,
        quality: Literal["fast", "balanced", "best"] = "balanced",
        samples: int = 1,
        answer: str | None = None,
        fidelity: float | None = None,
        **options: Any,
    ) -> Iterator[Event]:
        """Runs a task on one picture, an event a transition; leave the loop to cancel.

        Args:
            task: a task's name, or a task.
            image: a path, PIL picture, array (H, W[, C]) uint8, uint16 or float in [0, 1], tensor (C, H, W) or
                (1, C, H, W) in [0, 1], or a `Picture`.
            seed: of all noise; the same seed gives the same picture.
            name: the picture's relative path, so that each picture of a folder has noise of its own.
            steps: transitions; what the method takes for the quality by default.
            guidance: a method, or `NAME[:key=value,...]`; the task's default otherwise.
            kernel: the transition; the method's own by default.
            quality: "fast" for a quick look, "balanced", or "best" for a run that may take its time.
            samples: posterior samples to draw, in batches.
            answer: "sample" for the first draw, "mean" for the mean of the samples (the default for more than one).
            fidelity: from 0, the first draw (crisp, invented detail), to 1, the mean or point estimate (closest to the truth,
                smoother); between, a blend of the two.
            options: the task's own.

        Raises: UsageError, PictureError, OperatorError, OutOfMemoryError.
        """
        work = self._work(
            task,
            image,
            seed=seed,
            name=name,
            steps=steps,
            guidance=guidance,
            kernel=kernel,
            quality=quality,
            samples=samples,
            answer=answer,
            fidelity=fidelity,
            **options,
        )
        task, picture, chosen, problem, wanted, runs = work
        total, before = sum(run.steps for run in runs), 0
        found: list[Tensor] = []
        for run in runs:
            drawn = []
            for progress in run.events():
                if progress.done is None:
                    yield Event(before + progress.step, total, _preview(progress.x))
                else:
                    drawn.append(progress.done)
            before += run.steps
            found.append(torch.cat(drawn))
        stacked = found[0]
        mean = stacked.mean(dim=0, keepdim=True)
        faithful = mean if wanted.estimator is None else found[-1]
        finished = task.finish(picture, into_range(problem, wanted.mix(faithful, stacked[:1])), chosen)
        result = Result(
            picture=finished,
            samples=stacked,
            mean=mean,
            std=stacked.std(dim=0, keepdim=True) if samples > 1 else None,
            consistency=_consistency(problem, finished.pixels),
            answer=wanted.kind,
            record={
                "task": task.name,
                "options": record.plain(chosen),
                "seed": seed,
                "name": name,
                "steps": len(runs[0].planned.path) - 1,
                "guidance": type(wanted.method).__name__,
                "samples": samples,
                "answer": wanted.kind,
                "fidelity": wanted.fidelity,
                "sigma_y": problem.sigma_y,
                "tile": self._tile(runs),
                "prior": self.name,
                "prior_hash": self.prior_hash,
                "dtype": str(self.placement.dtype).removeprefix("torch."),
                "device": str(self.placement.device),
                "versions": record.versions(),
            },
            given=image,
        )
        yield Event(total, total, _preview(mean), result)

    def plan(self, task: str | Task, image: Any, **keywords: Any) -> Forecast:
        """What `stream` would take with the same arguments, found out by one evaluation of a small window; errors as there."""
        return forecast(self._work(task, image, **keywords).runs, memory.used(self.placement.device))

    def _work(
        self,
        task: str | Task,
        image: Any,
        *,
        seed: int = 0,
        name: str = "",
        steps: int | None = None,
        guidance: str | Guidance | None = None,
        kernel: Kernel | None = None,
        quality: Literal["fast", "balanced", "best"] = "balanced",
        samples: int = 1,
        answer: str | None = None,
        fidelity: float | None = None,
        **options: Any,
    ) -> _Work:
        if quality not in QUALITIES:
            raise UsageError(f"quality is {', '.join(QUALITIES[:-1])} or {QUALITIES[-1]}, got {quality!r}")
        picture = images.as_picture(image)
        task = plugins.load().task(task) if isinstance(task, str) else task
        chosen: Any = build(task.Options, **options)
        problem = task.problem(picture, chosen)
        wanted = recipe(
            problem,
            given=_method(guidance),
            tasks_own=task.guidance(problem, chosen),
            samples=samples,
            answer=answer,
            fidelity=fidelity,
        )
        prior, device = self._prior_for(problem), self.placement.device
        runs = []
        for method, count in ((wanted.sampler, wanted.samples), (wanted.estimator, 1)):
            if method is not None:
                preset, length = method.preset(quality)
                transition = kernel or preset.kernel()
                planned = fitted(
                    problem,
                    prior,
                    preset,
                    transition,
                    steps=length if steps is None else steps,
                    largest=self.largest,
                    device=device,
                    bound=self.max_memory,
                    choose=self.tile is None,
                )
                names = tuple(f"{name}#{index}" for index in range(count))
                runs.append(Run(problem, prior, preset, transition, planned, names, seed, device))
        return _Work(task, picture, chosen, problem, wanted, runs)

    def _tile(self, runs: list[Run]) -> int | None:
        """The tile that makes the same answer again where there is more memory; None if memory had no say."""
        sides = [run.planned.largest for run in runs]
        return self.tile if self.tile or min(sides) == self.largest else min(sides)

    def _prior_for(self, problem: Problem) -> Prior:
        channels = problem.shape[1]
        if channels == self.prior.channels:
            return self.prior
        if channels == 1:
            return GrayOf(self.prior)
        raise PriorError(f"prior {self.name} knows pictures of {self.prior.channels} channel(s), the task asks for {channels}")


class _Work(NamedTuple):
    """What a call comes to."""

    task: Task
    picture: Picture
    chosen: Any
    problem: Problem
    wanted: Recipe
    runs: list[Run]


def _method(given: str | Guidance | None) -> Guidance | None:
    """The method asked for."""
    if given is None or isinstance(given, Guidance):
        return given
    name, _, arguments = given.partition(":")
    factory = plugins.load().guidance(name)
    try:
        method: Guidance = factory(**_arguments(arguments))
    except TypeError as error:
        raise UsageError(f"guidance {name}: {error}; write NAME:key=value,key=value") from None
    return method


def _arguments(text: str) -> dict[str, float | int]:
    """`a=1,b=0.5` as keywords."""
    found: dict[str, float | int] = {}
    for part in filter(None, text.split(",")):
        key, _, value = part.partition("=")
        try:
            number = float(value)
        except ValueError:
            raise UsageError(f"guidance argument {part!r} is not key=number") from None
        found[key.strip()] = int(number) if number.is_integer() and "." not in value and "e" not in value else number
    return found


def _consistency(problem: Problem, restored: Tensor) -> float:
    """Root mean square of y - A(answer) in units of sigma_y, or of grey levels where sigma_y is 0."""
    if tuple(restored.shape) != tuple(problem.shape):
        return float("nan")
    residual = (problem.y - problem.operator(restored)).square().mean().sqrt()
    return float(residual / problem.sigma_y if problem.sigma_y > 0 else residual * 127.5)


def _preview(x: Tensor) -> Tensor:
    return (x[0].clamp(-1, 1) + 1) / 2
