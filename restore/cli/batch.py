"""Restores pictures one after the other. A picture that fails is reported in one line, and the others go on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from restore.cli import console
from restore.cli.completion import is_done
from restore.cli.jobs import Job, jobs_of
from restore.cli.outcome import Outcome
from restore.cli.source import check_frames
from restore.cli.streams import aside
from restore.cli.work import Work
from restore.device.memory import is_lack_of_memory
from restore.errors import OperatorError, OutOfMemoryError, PictureError, PluginError, PriorError, RestoreError, UsageError
from restore.options.run_options import RunOptions
from restore.task import Task


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
    def _work(self) -> Work:
        return Work(self.task, self.options, self.prior_hash)

    def _attempt(self, job: Job, show: Callable[[float], None]) -> Outcome:
        def outcome(status: str, **more: Any) -> Outcome:
            return Outcome(str(job.source), str(job.out), self.task.name, status, self.options.seed, **more)

        def failure(message: str, code: int) -> Outcome:
            return outcome("failed", error=message, code=code)

        began = False
        try:
            if self.options.plan:
                return outcome("planned", estimate=self._work.estimate(job))
            if is_done(job, overwrite=self.options.overwrite):
                console.logger.info("%s: skipped, %s exists (--overwrite replaces it)", job.source, job.out)
                return outcome("skipped")
            if self.options.dry_run:
                self._work.look(job)
                return outcome("planned")
            began = True
            return outcome(**self._work.restore(job, show))
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
