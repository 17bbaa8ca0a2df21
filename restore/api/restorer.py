"""The Python API for pictures: a prior on a device, and tasks run with it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from typing_extensions import Unpack

from restore import images, pretrained
from restore.adapting.cost import with_tuning
from restore.api.own_method import check_own_method
from restore.api.request import Request
from restore.api.typed_calls import TypedCalls
from restore.device import memory
from restore.device.offload import fits, offload
from restore.device.placement import Placement
from restore.errors import UsageError
from restore.options.checked import run_options
from restore.options.run_options import RunOptions, recorded
from restore.options.signatures import PriorKeywords
from restore.planning.estimate import Estimate, estimate
from restore.planning.plan import LARGEST_WINDOW, Plan
from restore.priors import Prior
from restore.priors.views.compiled import runs_compiled, with_compiled_networks
from restore.problem import Problem
from restore.results import provenance
from restore.results.consistency import consistency
from restore.results.result import Event, Result
from restore.solving.preparing import prepare
from restore.solving.solver import last, run
from restore.task import Task
from restore.wording import called

logger = logging.getLogger("restore")
SMALL_READ = 50_000_000  # Bytes that reading a picture may take whatever the bound.


class Restorer(TypedCalls):
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
        self._local_files_only = False
        self._others: dict[str, Prior] = {}  # That tasks asked for, by name.
        self._plain_prior = self._placed(prior)
        self.prior = with_compiled_networks(self._plain_prior) if self.options.compile else self._plain_prior
        logger.debug("%s", self.placement.describe(self.prior.effective_dtype(self.placement.device)))

    def _placed(self, prior: Prior) -> Prior:
        """The prior on its device, or offloaded if it does not fit and may be."""
        device, bound = self.placement.device, self.options.max_memory
        if self.options.offload == "none" or fits(prior, device, bound):
            return prior.to(device)
        if self.options.compile:
            raise UsageError(f"{called('compile')} is for weights that stay on the device, and these do not fit; leave it out")
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
        made = cls(prior, placement=placement, name=name, **keywords)
        made._local_files_only = local_files_only
        return made

    @cached_property
    def prior_hash(self) -> str:
        """The hash of the prior's weights; see `weights_hash`."""
        return provenance.weights_hash(self._plain_prior)

    def __repr__(self) -> str:
        given = {name: value for name in ("tile", "max_memory", "compile") if (value := getattr(self.options, name))}
        more = "".join(f", {name}={value!r}" for name, value in given.items())
        placed = self.placement.describe(self.prior.effective_dtype(self.placement.device))
        return f"<Restorer: prior {self.options.prior}, {placed}{more}>"

    def _hashes(self, asked: Request) -> dict[str, str]:
        return {name: provenance.weights_hash(prior) for name, prior in asked.priors.items()}

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
        asked = self.request(task, keywords)
        task, own = asked.task, asked.own
        with reading(self.options, self.placement.device):
            given = images.as_picture(image)
            shown = given.in_srgb()
            picture = shown.without_colour()
            problem = task.problem(picture, own)
        plans, fidelity = self._plans(asked, problem)

        def finish(result: Result) -> Result:
            finished = task.finish(picture, problem, result.x, own)
            result = replace(result, record={**self._record(asked, plans, result), **result.record})
            return replace(
                result,
                picture=(finished if picture is shown else finished.with_channels(shown)).with_colours_of(given, shown),
                mask=problem.operator.missing_mask(problem.shape),
                consistency=consistency(problem, finished.pixels),
                record={**result.record, "found": task.found(problem, own, result)},
                given=image,
            )

        return run(plans, fidelity, asked.options.seed, finish, gradients=gradients)

    def estimate(self, task: str | Task, image: Any, **keywords: Any) -> Estimate:
        """Memory and time of `stream` with the same arguments, estimated by evaluating one window; errors as for `stream`."""
        held = memory.used(self.placement.device)
        started = time.perf_counter()
        asked = self.request(task, keywords)
        with reading(self.options, self.placement.device):
            problem = asked.task.problem(images.as_picture(image).in_srgb().without_colour(), asked.own)
        _ = self.prior_hash  # The first result of a restorer takes time for it.
        seconds = time.perf_counter() - started
        plans, _ = self._plans(asked, problem)
        return with_tuning(estimate(plans, held=held, seconds=seconds), plans, held)

    def request(self, task: str | Task, keywords: Mapping[str, Any]) -> Request:
        """What `stream` would run with these keywords, checked; priors that the task's options name are loaded.

        Raises: UsageError for an unknown task or keyword, or a wrong value; PriorError.
        """
        return Request.of(task, keywords, self.options, self._beside)

    def _beside(self, name: str) -> Prior:
        """Another prior on the same device and in the same dtype."""
        if name not in self._others:
            prior = pretrained.prior(name, dtype=self.placement.dtype, local_files_only=self._local_files_only)
            self._others[name] = prior.to(self.placement.device)
        return self._others[name]

    def _plans(self, asked: Request, problem: Problem) -> tuple[list[Plan], float]:
        own = asked.task.guidance(problem, asked.own)
        # What is tuned cannot stay compiled.
        prior = self.prior if asked.options.adapt is None else self._plain_prior
        plans, seconds = prepare(problem, prior, asked.options, own=own, device=self.placement.device)
        check_own_method(asked.own, own, (plan.guidance for plan in plans))
        return plans, seconds

    def _record(self, asked: Request, plans: list[Plan], result: Result) -> dict[str, Any]:
        options = asked.options
        least = min(plan.largest for plan in plans)
        # Choices made for this machine, stored explicitly so that a rerun makes them again.
        chosen = {
            "tile": options.tile if options.tile or least == LARGEST_WINDOW else least,
            "dtype": str(self.prior.effective_dtype(self.placement.device)).removeprefix("torch."),
            "compile": options.compile and runs_compiled(self.prior),
            **({"adapt": str(result.record["adapted"]["steps"])} if "adapted" in result.record else {}),
        }
        return {
            "task": asked.task.name,
            "options": dict(asked.asked),
            "request": {**provenance.plain(recorded(options)), "seed": options.seed, "name": options.name, **chosen},
            "guidance": type(plans[0].guidance).__name__,
            "answer": result.answer,
            "fidelity": result.fidelity,
            "transitions": sum(plan.steps for plan in plans),
            "sigma_y": plans[0].problem.sigma_y,
            "prior_hash": self.prior_hash,
            **({"prior_hashes": hashes} if (hashes := self._hashes(asked)) else {}),
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
