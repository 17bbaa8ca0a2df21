"""The Python API for pictures: a prior on a device, and tasks run with it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal, overload

import torch
from typing_extensions import Unpack

from restore import images, pretrained
from restore.device import memory
from restore.device.offload import fits, offload
from restore.device.placement import Placement
from restore.errors import OperatorError, PictureError, RestoreError, UsageError, suggest
from restore.options import describe, run_options
from restore.planning.estimate import Estimate, estimate
from restore.planning.plan import LARGEST_WINDOW, Plan
from restore.plugins import manager
from restore.plugins.calls import build_options
from restore.priors import Prior
from restore.priors.views.compiled import runs_compiled, with_compiled_networks
from restore.problem import Problem
from restore.results import provenance
from restore.results.consistency import consistency
from restore.results.result import Event, Result
from restore.run_options import PriorKeywords, RunOptions, of_scope, recorded
from restore.solver import last, prepare, run
from restore.task import Task

logger = logging.getLogger("restore")
SMALL_READ = 50_000_000  # Bytes that reading a picture may take whatever the bound.


class Restorer:
    """Restores pictures with one prior. Immutable: one restorer serves many calls.

    Args:
        prior: restores all pictures.
        placement: device and dtype of the prior; by default the fastest device.
        name: the prior's name in records.
        keywords: fields of `RunOptions` of scope "prior": `tile`, the largest side of a window in pixels (1024 by default, less
            where memory is short); `max_memory`, the memory limit of the whole process (on a GPU, of its memory), as "2GB" or
            bytes; `offload`, "auto" to keep weights that do not fit outside of the device; `max_pixels`, the largest picture
            that is read; `compile`, whether to compile the network with torch.compile (equal results up to rounding).

    Raises: UsageError for what is no prior, an unknown keyword, a tile below 64 or an invalid size of memory.
    """

    def __init__(
        self,
        prior: Prior,
        *,
        placement: Placement | None = None,
        name: str = "custom",
        **keywords: Unpack[PriorKeywords],
    ) -> None:
        self.options = run_options("prior", {**keywords, "prior": name})
        if not isinstance(prior, Prior):
            raise UsageError(
                f"prior: {prior!r} ({type(prior).__name__}) is not a Prior; Restorer.from_pretrained loads one by name"
            )
        if not (placement is None or isinstance(placement, Placement)):
            raise UsageError(f"placement: {placement!r} ({type(placement).__name__}) is not a Placement")
        if self.options.max_memory is not None:
            memory.parse(self.options.max_memory)
        self.placement = placement or Placement.current(self.options.device, self.options.dtype)
        self._plain_prior = self._placed(prior)
        self.prior = with_compiled_networks(self._plain_prior) if self.options.compile else self._plain_prior
        logger.debug("%s", self.placement.describe(self.prior.effective_dtype(self.placement.device)))

    def _placed(self, prior: Prior) -> Prior:
        """The prior on its device, or offloaded if it does not fit and may be."""
        device, bound = self.placement.device, self.options.max_memory
        if self.options.offload == "none" or fits(prior, device, bound):
            return prior.to(device)
        if self.options.compile:
            raise UsageError("--compile is for weights that stay on the device, and these do not fit; leave one of both out")
        self._plain_prior = prior
        _ = self.prior_hash  # Of the weights, while they are here.
        offload(prior, device)
        return prior

    @classmethod
    def from_pretrained(
        cls, name: str = "photo", *, local_files_only: bool = False, **keywords: Unpack[PriorKeywords]
    ) -> Restorer:
        """Loads a prior by name: a bundled one, a model folder, a Hub id, or `scheme:id`.

        Args:
            local_files_only: do not download models.
            keywords: as for `Restorer`; also `device` ("cpu", "cuda", "cuda:1", "mps"; by default the fastest found) and
                `dtype` of the network ("float32", "bfloat16", "float16"; by default chosen by the hardware).

        Raises: PriorError if the prior is missing or broken; UsageError for an unknown keyword, device, dtype or scheme.
        """
        if not isinstance(name, (str, os.PathLike)):
            raise UsageError(f"name: {name!r} ({type(name).__name__}) is not a text; for a Prior use Restorer(prior)")
        name = os.fspath(name)
        options = run_options("prior", keywords)
        placement = Placement.current(options.device, options.dtype)
        prior = pretrained.prior(name, dtype=placement.dtype, local_files_only=local_files_only)
        return cls(prior, placement=placement, name=name, **keywords)

    @cached_property
    def prior_hash(self) -> str:
        """The hash of the prior's weights; see `weights_hash`."""
        return provenance.weights_hash(self._plain_prior)

    def __repr__(self) -> str:
        given = {name: value for name in ("tile", "max_memory", "compile") if (value := getattr(self.options, name))}
        more = "".join(f", {name}={value!r}" for name, value in given.items())
        placed = self.placement.describe(self.prior.effective_dtype(self.placement.device))
        return f"<Restorer: prior {self.options.prior}, {placed}{more}>"

    def __call__(self, task: str | Task, image: Any, **keywords: Any) -> Result:
        """Runs a task on one picture to the end; arguments and errors as for `stream`."""
        return last(self.stream(task, image, **keywords))

    @overload
    def map(
        self, task: str | Task, pictures: Iterable[Any], *, errors: Literal["yield"], **keywords: Any
    ) -> Iterator[Result | RestoreError]: ...

    @overload
    def map(
        self, task: str | Task, pictures: Iterable[Any], *, errors: Literal["raise"] = ..., **keywords: Any
    ) -> Iterator[Result]: ...

    def map(
        self, task: str | Task, pictures: Iterable[Any], *, errors: Literal["raise", "yield"] = "raise", **keywords: Any
    ) -> Iterator[Any]:
        """Runs a task on many pictures, one result each; a tensor (B, C, H, W) is B pictures. Arguments as for `stream`.

        The noise of a picture depends on its index in the sequence.

        Args:
            errors: "raise" stops at a picture that fails; "yield" gives its RestoreError in place of a result and goes on.

        Raises: UsageError for pictures that are no sequence, or another value of `errors`.
        """
        if errors not in ("raise", "yield"):
            raise UsageError(f"errors: {errors!r} is neither 'raise' nor 'yield'")
        if isinstance(pictures, (str, bytes)) or not isinstance(pictures, Iterable | torch.Tensor):
            raise UsageError(f"pictures: {pictures!r} ({type(pictures).__name__}) is not a sequence of pictures")
        return self._mapped(task, pictures, errors, keywords)

    def _mapped(self, task: str | Task, pictures: Iterable[Any], errors: str, keywords: Mapping[str, Any]) -> Iterator[Any]:
        for index, picture in enumerate(pictures):
            try:
                yield self(task, picture, **{"name": str(index), **keywords})
            except (PictureError, OperatorError) as error:  # Of one picture; other errors are of all.
                if errors == "raise":
                    raise
                yield error

    def stream(self, task: str | Task, image: Any, **keywords: Any) -> Iterator[Event]:
        """Runs a task on one picture; yields an event per transition, the last with the result. Leave the loop to cancel.

        Args:
            task: a task's name, or a task.
            image: a path, PIL picture, array (H, W[, C]) uint8, uint16 or float in [0, 1], tensor (C, H, W) or
                (1, C, H, W) in [0, 1], or a `Picture`.
            keywords: the task's own options (`restore schema TASK` lists them), and fields of `RunOptions` of scope "call":
                seed, steps, guidance, sampler, quality, samples, fidelity, name.

        Raises: UsageError, PictureError, OperatorError, PriorError, OutOfMemoryError.
        """
        return self._streamed(task, image, keywords)

    def with_gradients(self, task: str | Task, picture: images.Picture, **keywords: Any) -> images.Picture:
        """The restored picture, whose pixels have the gradient of those of `picture`; see `restore.nn.Restore`. Arguments and
        errors as for `stream`; UsageError for methods that draw samples.
        """
        found = last(self._streamed(task, picture, keywords, gradients=True)).picture
        assert found is not None
        return found

    def _streamed(
        self, task: str | Task, image: Any, keywords: Mapping[str, Any], *, gradients: bool = False
    ) -> Iterator[Event]:
        task, own, options = self._read(task, keywords)
        with reading(self.options, self.placement.device):
            given = images.as_picture(image)
            shown = given.in_srgb()
            picture = shown.without_colour()
            problem = task.problem(picture, own)
        plans, fidelity = self._plans(task, problem, own, options)

        def finish(result: Result) -> Result:
            finished = task.finish(picture, problem, result.x, own)
            return replace(
                result,
                picture=(finished if picture is shown else finished.with_channels(shown)).with_colours_of(given, shown),
                mask=problem.operator.missing_mask(problem.shape),
                consistency=consistency(problem, finished.pixels),
                record={**self._record(task, own, options, plans, result), "found": task.found(problem, own)},
                given=image,
            )

        return run(plans, fidelity, options.seed, finish, gradients=gradients)

    def estimate(self, task: str | Task, image: Any, **keywords: Any) -> Estimate:
        """Memory and time of `stream` with the same arguments, estimated by evaluating one window; errors as for `stream`."""
        held = memory.used(self.placement.device)
        started = time.perf_counter()
        task, own, options = self._read(task, keywords)
        with reading(self.options, self.placement.device):
            problem = task.problem(images.as_picture(image).in_srgb().without_colour(), own)
        _ = self.prior_hash  # The first result of a restorer takes time for it.
        seconds = time.perf_counter() - started
        plans, _ = self._plans(task, problem, own, options)
        return estimate(plans, held=held, seconds=seconds)

    def _read(self, task: str | Task, keywords: Mapping[str, Any]) -> tuple[Task, Any, RunOptions]:
        """The task, its own options, and the options of every task."""
        task = manager.load().task(task) if isinstance(task, str) else task
        if not isinstance(task, Task):
            raise UsageError(f"task: {task!r} is neither a Task nor the name of one")
        common = of_scope("call")
        known = [*(option.name for option in describe(task.Options)), *common]
        for name in keywords:
            if name not in known:
                raise UsageError(f"unknown option {name!r}; {suggest(name, known)}")
        own: Any = build_options(task, **{name: value for name, value in keywords.items() if name not in common})
        asked = run_options("call", {name: value for name, value in keywords.items() if name in common})
        return task, own, replace(self.options, **{name: getattr(asked, name) for name in common})

    def _plans(self, task: Task, problem: Problem, own: Any, options: RunOptions) -> tuple[list[Plan], float]:
        return prepare(problem, self.prior, options, own=task.guidance(problem, own), device=self.placement.device)

    def _record(self, task: Task, own: Any, options: RunOptions, plans: list[Plan], result: Result) -> dict[str, Any]:
        least = min(plan.largest for plan in plans)
        # Choices made for this machine, stored explicitly so that a rerun makes them again.
        chosen = {
            "tile": options.tile if options.tile or least == LARGEST_WINDOW else least,
            "dtype": str(self.prior.effective_dtype(self.placement.device)).removeprefix("torch."),
            "compile": options.compile and runs_compiled(self.prior),
        }
        return {
            "task": task.name,
            "options": provenance.plain(own),
            "request": {**provenance.plain(recorded(options)), "seed": options.seed, "name": options.name, **chosen},
            "guidance": type(plans[0].guidance).__name__,
            "answer": result.answer,
            "fidelity": result.fidelity,
            "transitions": sum(plan.steps for plan in plans),
            "sigma_y": plans[0].problem.sigma_y,
            "prior_hash": self.prior_hash,
            "device": str(self.placement.device),
            "versions": provenance.versions(),
        }


def reading(options: RunOptions, device: torch.device) -> AbstractContextManager[None]:
    """Inside, pictures, masks and hints are bound by `max_pixels`, and on a CPU by what is left of `max_memory`.

    Small pictures are read in any case: the plan says what they need.
    """
    bound = options.max_memory
    on_cpu = bound is not None and device.type == "cpu"
    left = max(memory.room(device, memory.parse(bound)), SMALL_READ) if bound is not None and on_cpu else None
    return images.limited(options.max_pixels, left)
