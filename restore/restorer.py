"""The Python API: a prior, placed; tasks run on it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from restore import images, plugins, pretrained, record
from restore.errors import OperatorError, PriorError, UsageError
from restore.feasible import into_range
from restore.guidance import DDNM, Denoising, Guidance, PnP
from restore.kernels import Kernel
from restore.operators import Identity, Linear
from restore.options import build
from restore.placement import Placement
from restore.priors import GrayOf, Prior
from restore.problem import Problem
from restore.result import Event, Result
from restore.solve import plan, solve
from restore.task import Task

logger = logging.getLogger("restore")
LARGEST_WINDOW = 1024  # Pixels a side that go through the network at once.


class Restorer:
    """Restores pictures with one prior. Immutable: one restorer serves many calls.

    Args:
        prior: what clean pictures look like.
        placement: where the prior runs; this machine's best by default.
        name: what the record calls the prior.
        tile: largest side in pixels that goes through the network at once.
    """

    def __init__(
        self, prior: Prior, *, placement: Placement | None = None, name: str = "custom", tile: int | None = None
    ) -> None:
        if tile is not None and tile < 64:
            raise UsageError(f"a tile needs a side of at least 64 pixels, got {tile}")
        self.placement = placement or Placement.current()
        self.prior = prior.to(self.placement.device)
        self.name = name
        self.largest = tile or LARGEST_WINDOW

    @classmethod
    def from_pretrained(
        cls,
        name: str = "photo",
        *,
        device: str | None = None,
        dtype: str | None = None,
        tile: int | None = None,
        local_files_only: bool = False,
    ) -> Restorer:
        """Loads a prior by name: a bundled one, a model folder, a Hub id, or `scheme:id`.

        Args:
            device: "cpu", "cuda", "cuda:1", "mps"; the machine's best by default.
            dtype: arithmetic of the network, "float32", "bfloat16" or "float16"; by default what the hardware does natively.
            local_files_only: never ask the network for a model.

        Raises: PriorError if the prior is missing or broken; UsageError for an unknown device, dtype or scheme.
        """
        placement = Placement.current(device, dtype)
        prior = pretrained.prior(name, dtype=placement.dtype, local_files_only=local_files_only)
        return cls(prior, placement=placement, name=name, tile=tile)

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
        samples: int = 1,
        answer: str | None = None,
        **options: Any,
    ) -> Iterator[Event]:
        """Runs a task on one picture, an event a transition; leave the loop to cancel.

        Args:
            task: a task's name, or a task.
            image: a path, PIL picture, array (H, W[, C]) uint8, uint16 or float in [0, 1], tensor (C, H, W) or
                (1, C, H, W) in [0, 1], or a `Picture`.
            seed: of all noise; the same seed gives the same picture.
            name: the picture's relative path, so that each picture of a folder has noise of its own.
            steps: transitions; the method's own number by default.
            guidance: a method, or `NAME[:key=value,...]`; the task's default otherwise.
            kernel: the transition; the method's own by default.
            samples: posterior samples to draw.
            answer: "sample" for the first draw, "mean" for the mean of the samples (the default for more than one).
            options: the task's own.

        Raises: UsageError, PictureError, OperatorError, OutOfMemoryError.
        """
        if samples < 1 or answer not in {None, "sample", "mean"}:
            raise UsageError(f"samples must be at least 1 and answer sample or mean, got {samples} and {answer!r}")
        picture = images.as_picture(image)
        task = plugins.load().task(task) if isinstance(task, str) else task
        chosen: Any = build(task.Options, **options)
        problem = task.problem(picture, chosen)
        method = _method(guidance, task.guidance(problem, chosen), problem, samples)
        if samples > 1 and method.answer == "estimate":
            logger.warning("%s is a point estimate: its samples do not show what is uncertain", type(method).__name__)
        prior = self._prior_for(problem)
        planned = plan(problem, prior, method, steps=steps, largest=self.largest)
        total = samples * planned.steps
        drawn: list[Tensor] = []
        for index in range(samples):
            for progress in solve(
                problem,
                prior,
                method,
                kernel or method.kernel(),
                planned,
                seed=seed,
                name=f"{name}#{index}",
                device=self.placement.device,
            ):
                if progress.done is None:
                    yield Event(index * planned.steps + progress.step, total, _preview(progress.x))
                else:
                    drawn.append(progress.done)
        stacked = torch.cat(drawn)
        mean = stacked.mean(dim=0, keepdim=True)
        kind = method.answer if samples == 1 else answer or "mean"
        finished = task.finish(picture, into_range(problem, stacked[:1] if kind == "sample" else mean), chosen)
        result = Result(
            picture=finished,
            samples=stacked,
            mean=mean,
            std=stacked.std(dim=0, keepdim=True) if samples > 1 else None,
            consistency=_consistency(problem, finished.pixels),
            answer=kind,
            record={
                "task": task.name,
                "options": record.plain(chosen),
                "seed": seed,
                "name": name,
                "steps": len(planned.path) - 1,
                "guidance": type(method).__name__,
                "samples": samples,
                "answer": kind,
                "sigma_y": problem.sigma_y,
                "prior": self.name,
                "prior_hash": self.prior_hash,
                "dtype": str(self.placement.dtype).removeprefix("torch."),
                "device": str(self.placement.device),
                "versions": record.versions(),
            },
            given=image,
        )
        yield Event(total, total, _preview(mean), result)

    def _prior_for(self, problem: Problem) -> Prior:
        channels = problem.shape[1]
        if channels == self.prior.channels:
            return self.prior
        if channels == 1:
            return GrayOf(self.prior)
        raise PriorError(f"prior {self.name} knows pictures of {self.prior.channels} channel(s), the task asks for {channels}")


def _method(given: str | Guidance | None, tasks_own: Guidance | None, problem: Problem, samples: int) -> Guidance:
    """The method asked for; else the task's own; else a point estimate for one answer, posterior samples for several."""
    if isinstance(given, Guidance):
        return given
    if given is not None:
        name, _, arguments = given.partition(":")
        factory = plugins.load().guidance(name)
        try:
            return factory(**_arguments(arguments))
        except TypeError as error:
            raise UsageError(f"guidance {name}: {error}; write NAME:key=value,key=value") from None
    if tasks_own is not None and (samples == 1 or tasks_own.answer == "sample"):
        return tasks_own
    if samples == 1 and isinstance(problem.operator, Identity):
        return Denoising()
    if samples == 1 and isinstance(problem.operator, Linear):
        return PnP()
    if isinstance(problem.operator, Linear):
        return DDNM()
    raise OperatorError(f"no default method for a {type(problem.operator).__name__} operator; name one with --guidance")


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
