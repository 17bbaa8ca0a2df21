"""Restores pictures one after the other. A picture that fails is reported in one line, and the others go on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.cli import console
from restore.cli.completion import agreement, is_done, make_folders, save_all
from restore.cli.inputs import STREAM
from restore.cli.jobs import Job, jobs_of
from restore.cli.made import Made
from restore.cli.outcome import Outcome
from restore.cli.source import Source, check_frames
from restore.cli.streams import aside
from restore.device.memory import is_lack_of_memory
from restore.errors import OperatorError, OutOfMemoryError, PictureError, PluginError, PriorError, RestoreError, UsageError
from restore.options import describe
from restore.plugins.calls import build_options
from restore.run_options import RunOptions, of_scope, recorded, values_of
from restore.task import Task

if TYPE_CHECKING:
    from restore.images import Picture
    from restore.restorer import Restorer


@dataclass(frozen=True)
class Batch:
    """One command line of a task.

    Attributes:
        prior_hash: for a rerun, the hash of the prior that made the recorded result.
    """

    task: Task
    options: RunOptions
    prior_hash: str | None = None

    def run(self, inputs: Sequence[Path], own: Mapping[str, Any]) -> int:
        """Run the task on every input; returns the exit code.

        Args:
            own: the task's options.

        Raises: RestoreError for errors that concern every picture: in options, model or operator.
        """
        jobs = jobs_of(self.task, inputs, own, self.options)
        check_frames(jobs, self.options)
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            codes = self._run(jobs)
            _say_failed(codes)
            return _code(codes)
        from restore.device.placement import Placement

        # All processes must split the same list, so finished pictures are skipped only later.
        placement = Placement.current(self.options.device, self.options.dtype)
        codes = self._run(placement.share(jobs))
        everyone = placement.gather(codes)
        if placement.index == 0 and any(everyone):
            _say_failed(everyone)
            console.logger.info("the launcher will report exit code %d and a traceback of its own", _code(everyone))
        return _code(codes)

    def _run(self, jobs: Sequence[Job]) -> list[int]:
        codes = []
        with console.progress_of(len(jobs)) as show:
            for index, job in enumerate(jobs):
                show(index, job.source.name)
                with console.about(str(job.source) if len(jobs) > 1 else None), aside():  # Plugins may print.
                    outcome = self._attempt(job, partial(_show_share, show, index, job.source.name))
                outcome.print(as_json=self.options.json)
                codes.append(outcome.code)
        return codes

    @cached_property
    def _restorer(self) -> Restorer:
        import torch

        from restore.restorer import Restorer

        if self.options.threads is not None:
            torch.set_num_threads(self.options.threads)
        keywords = values_of(self.options, "prior")
        return Restorer.from_pretrained(keywords.pop("prior"), **keywords)

    def _attempt(self, job: Job, show: Callable[[float], None]) -> Outcome:
        def outcome(status: str, **more: Any) -> Outcome:
            return Outcome(str(job.source), str(job.out), self.task.name, status, self.options.seed, **more)

        def failure(message: str, code: int) -> Outcome:
            return outcome("failed", error=message, code=code)

        began = False
        try:
            if self.options.plan:
                return outcome("planned", estimate=self._estimate(job))
            if is_done(job, overwrite=self.options.overwrite):
                console.logger.info("%s: skipped, %s exists (--overwrite replaces it)", job.source, job.out)
                return outcome("skipped")
            if self.options.dry_run:
                self._look(job)
                return outcome("planned")
            began = True
            return outcome(**self._restore(job, show))
        except (UsageError, OperatorError, PriorError):
            raise
        except RestoreError as error:
            if began and isinstance(error, PictureError) and not job.named and not self.options.overwrite and job.out.exists():
                console.logger.info("%s: skipped, another process has made %s meanwhile", job.source, job.out)
                return outcome("skipped")
            message = str(error) if str(job.source) in str(error) else f"{job.source}: {error}"
            console.error(message)
            console.trace()
            return failure(message, error.exit_code)
        except Exception as error:
            if isinstance(error, ImportError) and is_lack_of_memory(error):
                raise  # The next picture needs the same packages.
            if is_lack_of_memory(error):
                console.error(f"{job.source}: not enough memory; give a smaller --tile")
                console.trace()
                return failure("not enough memory", OutOfMemoryError.exit_code)
            console.bug(error, f"{job.source}: ")
            return failure(f"{type(error).__name__}: {error}", 1)

    def _restore(self, job: Job, show: Callable[[float], None]) -> dict[str, Any]:
        """Restore a picture and write all its files; returns fields of its `Outcome`.

        Args:
            show: called with the share that is done.
        """
        source, picture, seconds = self._read(job)
        frames = source.frames(job, self.options)
        restorer = self._restorer
        start = time.perf_counter()
        made: list[Made] = []
        for index, page in enumerate(source.pages):
            if index > 0:
                with self._reading():
                    picture = source.picture(page)
            # The same noise for all frames: what does not move does not flicker.
            for event in restorer.stream(self.task, picture, **self._keywords(job)):
                show((index + event.step / max(event.steps, 1)) / len(source.pages))
            assert event.result is not None
            result = event.result
            made.append(Made.of(result, picture))
            if frames is not None:
                assert result.picture is not None
                frames.add(result.picture)
        if self.prior_hash not in (None, result.record["prior_hash"]):
            console.logger.warning("%s: prior %s has changed since the record was made", job.source, self.options.prior)
        save_all(job, result, self._record(source, made) if self.options.record else None, self.options, frames)
        seconds += time.perf_counter() - start
        return {
            **agreement(job, made, strict=self.options.strict),
            "seconds": round(seconds, 3),
            "answer": result.answer,
            "frames": len(made),
            "uncertainty": None if job.map is None else str(job.map),
            "contact_sheet": None if job.sheet is None else str(job.sheet),
            "mask": None if job.mask is None else str(job.mask),
        }

    def _read(self, job: Job) -> tuple[Source, Picture, float]:
        """An input, its first picture and the seconds to read it.

        Raises: PictureError if it or a target cannot be read or written.
        """
        from restore import images

        reading = self._reading()  # Imports torch, which is not counted.
        start = time.perf_counter()
        with reading:
            source = Source.read(job.source, self.options)
            picture = source.picture(source.pages[0])
        seconds = time.perf_counter() - start
        make_folders(job)
        if job.out != STREAM:
            images.check_target(job.out, picture, overwrite=self.options.overwrite)
        return source.without_data(), picture, seconds

    def _reading(self) -> AbstractContextManager[None]:
        from restore.device.placement import Placement
        from restore.restorer import reading

        return reading(self.options, Placement.current(self.options.device, self.options.dtype).device)

    def _record(self, source: Source, made: Sequence[Made]) -> dict[str, Any]:
        """What --record stores: how the first frame was made, as all were, and what of the command's options counts."""
        record = made[0].record
        asked = {name: value for name, value in recorded(self.options).items() if name in of_scope("command")}
        return {
            **record,
            "request": {**record["request"], **asked},
            "frames": len(made),
            "input": {"path": str(source.path), "sha256": source.sha256},
        }

    def _look(self, job: Job) -> None:
        """Reads the picture and the mask, if the task takes one, so that the share filled is logged and errors are found."""
        if "mask" not in (option.name for option in describe(self.task.Options)):
            return

        with self._reading():
            source = Source.read(job.source, self.options)
            self.task.problem(source.picture(source.pages[0]), build_options(self.task, **job.options))

    def _estimate(self, job: Job) -> dict[str, Any]:
        """The estimated cost of a picture, reading and writing included. Raises PictureError if it cannot be read.

        All frames of a file cost what the first does, times their number.
        """
        from restore import images

        if job.error is not None:
            raise job.error
        restorer = self._restorer
        start = time.perf_counter()
        with self._reading():
            source = Source.read(job.source, self.options)
            picture = source.picture(source.pages[0])
        reading = time.perf_counter() - start
        found = restorer.estimate(self.task, picture, **self._keywords(job))
        writing = images.seconds_to_write(job.out, picture, found.width * found.height)
        times = len(source.pages)
        seconds = times * (found.seconds + reading + writing)
        return {**asdict(found), "evaluations": times * found.evaluations, "seconds": seconds}

    def _keywords(self, job: Job) -> dict[str, Any]:
        """The keywords of `Restorer.stream` for a job."""
        common = values_of(self.options, "call")
        return {**common, "name": self.options.name or job.relative.as_posix(), **job.options}


def _say_failed(codes: Sequence[int]) -> None:
    failed = sum(code > 0 for code in codes)
    if failed and len(codes) > 1:
        console.logger.info("%d of %d pictures failed", failed, len(codes))


def _code(codes: Sequence[int]) -> int:
    """The exit code of all pictures together."""
    special = [code for code in (OutOfMemoryError.exit_code, PluginError.exit_code) if code in codes]
    return special[0] if special else int(any(codes))


def _show_share(show: Callable[[float, str], None], index: int, name: str, share: float) -> None:
    show(index + share, name)
