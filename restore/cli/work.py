"""What is done with one picture: read, restored and written, or only looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from restore.cli import console
from restore.cli.completion import agreement, make_folders, save_all
from restore.cli.inputs import STREAM
from restore.cli.jobs import Job
from restore.cli.made import Made
from restore.cli.source import Source
from restore.options.checked import describe
from restore.options.run_options import RunOptions, of_scope, recorded, values_of
from restore.plugins.calls import build_options
from restore.task import Task

if TYPE_CHECKING:
    from restore.api.restorer import Restorer
    from restore.images import Picture


@dataclass(frozen=True)
class Work:
    """The work of a command on each of its pictures; the prior is loaded when it is first needed.

    Attributes:
        prior_hash: for a rerun, the hash of the prior that made the recorded result.
    """

    task: Task
    options: RunOptions
    prior_hash: str | None = None

    def restore(self, job: Job, show: Callable[[float], None]) -> dict[str, Any]:
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
        from restore.api.restorer import reading
        from restore.device.placement import Placement

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

    def look(self, job: Job) -> None:
        """Reads the picture and the mask, if the task takes one, so that the share filled is logged and errors are found."""
        described = describe(self.task.Options)
        if "mask" not in (option.name for option in described):
            return
        loads = any(option.prior for option in described)
        own = self._restorer.request(self.task, job.options).own if loads else build_options(self.task, **job.options)
        with self._reading():
            source = Source.read(job.source, self.options)
            self.task.problem(source.picture(source.pages[0]), own)

    def estimate(self, job: Job) -> dict[str, Any]:
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

    @cached_property
    def _restorer(self) -> Restorer:
        import torch

        from restore.api.restorer import Restorer

        if self.options.threads is not None:
            torch.set_num_threads(self.options.threads)
        keywords = values_of(self.options, "prior")
        return Restorer.from_pretrained(keywords.pop("prior"), **keywords)
