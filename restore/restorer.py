"""The Python API: a prior, placed; tasks run on it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from restore import pretrained
from restore.device import memory
from restore.device.placement import Placement
from restore.guidance import Guidance
from restore.planning.compile import Choice, check, chosen
from restore.planning.estimate import Forecast, forecast
from restore.planning.prepare import Asked, Limits, Work, mean, work
from restore.priors import Prior
from restore.results import provenance
from restore.results.consistency import consistency
from restore.results.projection import project
from restore.results.result import Event, Result
from restore.sampling.samplers import Sampler
from restore.task import Task

logger = logging.getLogger("restore")


class Restorer:
    """Restores pictures with one prior. Immutable: one restorer serves many calls.

    Args:
        prior: what clean pictures look like.
        placement: where the prior runs; this machine's best by default.
        name: what the record calls the prior.
        tile: largest side in pixels that goes through the network at once; by default 1024, or less where memory is short.
        max_memory: what the whole process may take (on a GPU, of its memory): a size such as "2GB", or bytes.
        compile: whether the network goes through torch.compile: "on", "off", or "auto" for where the work foreseen clearly
            repays it. Answers are the same up to rounding. Where it fails the network runs as it is.

    Raises: UsageError for a tile, size or word that is none.
    """

    def __init__(
        self,
        prior: Prior,
        *,
        placement: Placement | None = None,
        name: str = "custom",
        tile: int | None = None,
        max_memory: str | int | None = None,
        compile: Literal["auto", "on", "off"] = "auto",
    ) -> None:
        self.placement = placement or Placement.current()
        self.prior = prior.to(self.placement.device)
        self.name = name
        self.limits = Limits.of(tile, max_memory)
        check(compile)
        self.compile = compile
        logger.debug("%s", self.placement.spelt())

    @classmethod
    def from_pretrained(
        cls,
        name: str = "photo",
        *,
        device: str | None = None,
        dtype: str | None = None,
        tile: int | None = None,
        max_memory: str | int | None = None,
        compile: Literal["auto", "on", "off"] = "auto",
        local_files_only: bool = False,
    ) -> Restorer:
        """Loads a prior by name: a bundled one, a model folder, a Hub id, or `scheme:id`.

        Args:
            device: "cpu", "cuda", "cuda:1", "mps"; the machine's best by default.
            dtype: arithmetic of the network, "float32", "bfloat16" or "float16"; by default what is fastest here.
            tile, max_memory, compile: see `Restorer`.
            local_files_only: never ask the network for a model.

        Raises: PriorError if the prior is missing or broken; UsageError for an unknown device, dtype, scheme, size or word.
        """
        placement = Placement.current(device, dtype)
        prior = pretrained.prior(name, dtype=placement.dtype, local_files_only=local_files_only)
        return cls(prior, placement=placement, name=name, tile=tile, max_memory=max_memory, compile=compile)

    @cached_property
    def prior_hash(self) -> str:
        return provenance.weights_hash(self.prior)

    def __call__(self, task: str | Task, image: Any, **keywords: Any) -> Result:
        """Runs a task on one picture to the end; arguments and errors as for `stream`."""
        for event in self.stream(task, image, **keywords):
            last = event.result
        assert last is not None
        return last

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
        sampler: Sampler | None = None,
        quality: Literal["fast", "balanced", "best"] = "balanced",
        samples: int = 1,
        answer: str | None = None,
        fidelity: float | None = None,
        early_exit: float | None = None,
        **options: Any,
    ) -> Iterator[Event]:
        """Runs a task on one picture, an event a transition; leave the loop to cancel.

        Args:
            task: a task's name, or a task.
            image: a schedule, PIL picture, array (H, W[, C]) uint8, uint16 or float in [0, 1], tensor (C, H, W) or
                (1, C, H, W) in [0, 1], or a `Picture`.
            seed: of all noise; the same seed gives the same picture.
            name: the picture's relative schedule, so that each picture of a folder has noise of its own.
            steps: transitions; what the method takes for the quality by default.
            guidance: a method, or `NAME[:key=value,...]`; the task's default otherwise.
            sampler: the transition; the method's own by default.
            quality: "fast" for a quick look, "balanced", or "best" for a run that may take its time.
            samples: posterior samples to draw, in batches.
            answer: "sample" for the first draw, "mean" for the mean of the samples (the default for more than one).
            fidelity: from 0, the first draw (crisp, invented detail), to 1, the mean or point estimate (closest to the truth,
                smoother); between, a blend of the two.
            early_exit: grey levels; once no open pixel of the prior's answer changes by more from one step to the next, one
                last transition ends the run. None walks the whole schedule.
            options: the task's own.

        Raises: UsageError, PictureError, OperatorError, OutOfMemoryError.
        """
        asked = Asked(seed, name, steps, guidance, sampler, quality, samples, answer, fidelity, early_exit)
        ready = self._work(task, image, asked, options)
        choice = chosen(ready.runs, self.compile)
        logger.debug("%s", choice.why)
        total, before = sum(run.steps for run in choice.runs), 0
        found: list[Tensor] = []
        for run in choice.runs:
            drawn, others = [], total - run.steps
            for progress in run.events():
                total = others + progress.steps
                if progress.done is None:
                    yield Event(before + progress.step, total, progress.x)
                else:
                    drawn.append(progress.done)
            before += progress.step
            found.append(torch.cat(drawn) if len(drawn) > 1 else drawn[0])
        result = self._result(ready, found, asked, choice, before, image)
        yield Event(total, total, result.mean, result)

    def plan(self, task: str | Task, image: Any, **keywords: Any) -> Forecast:
        """What `stream` would take with the same arguments, found out by one evaluation of a small window; errors as there."""
        words = {one.name for one in fields(Asked)}
        asked = Asked(**{word: keywords.pop(word) for word in words & keywords.keys()})
        runs = self._work(task, image, asked, keywords).runs
        return forecast(runs, memory.used(self.placement.device))

    def _work(self, task: str | Task, image: Any, asked: Asked, options: dict[str, Any]) -> Work:
        return work(task, image, self.prior, asked, options, limits=self.limits, device=self.placement.device)

    def _result(self, ready: Work, found: list[Tensor], asked: Asked, choice: Choice, taken: int, image: Any) -> Result:
        """What comes back, from the pictures of each run and the transitions that all took."""
        samples, wanted = found[0], ready.wanted
        finished = ready.task.finish(ready.picture, project(ready.problem, ready.answer(found)), ready.chosen)
        return Result(
            picture=finished,
            samples=samples,
            mean=mean(samples),
            std=samples.std(dim=0, keepdim=True) if asked.samples > 1 else None,
            consistency=consistency(ready.problem, finished.pixels),
            answer=wanted.kind,
            record={
                "task": ready.task.name,
                "options": provenance.plain(ready.chosen),
                "seed": asked.seed,
                "name": asked.name,
                "steps": len(ready.runs[0].planned.schedule) - 1,
                "transitions": taken,
                "early_exit": asked.early_exit,
                "guidance": type(wanted.method).__name__,
                "samples": asked.samples,
                "answer": wanted.kind,
                "fidelity": wanted.fidelity,
                "sigma_y": ready.problem.sigma_y,
                "tile": self.limits.kept(ready.runs),
                "prior": self.name,
                "prior_hash": self.prior_hash,
                "dtype": str(self.placement.dtype).removeprefix("torch."),
                "compiled": choice.compiled,
                "device": str(self.placement.device),
                "versions": provenance.versions(),
            },
            given=image,
        )
