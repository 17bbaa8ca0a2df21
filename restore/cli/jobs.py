"""The jobs of a command line: input, options and output files of each picture."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from restore.cli.inputs import STREAM, pictures_of
from restore.errors import PictureError, UsageError
from restore.images.formats import SUFFIXES
from restore.options.checked import describe
from restore.options.run_options import RunOptions
from restore.plugins.manager import load
from restore.task import Task


@dataclass(frozen=True)
class Job:
    """One picture to restore.

    Attributes:
        relative: path relative to the input folder; outputs mirror it, and the noise depends on it.
        out, map, sheet, mask: files to write.
        named: the output file was named explicitly, so an existing one is an error and not skipped.
        options: the task's own; in place of a folder of pictures, the file that belongs to this picture.
        error: an error found before anything runs.

    The path - (`STREAM`) is standard input as `source`, and standard output as `out`.
    """

    source: Path
    relative: Path
    out: Path
    map: Path | None = None
    sheet: Path | None = None
    mask: Path | None = None
    named: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    error: PictureError | None = None

    @property
    def targets(self) -> list[Path]:
        """The files that will be written, the picture last."""
        return [target for target in (self.map, self.sheet, self.mask, self.out) if target not in (None, STREAM)]


def jobs_of(task: Task, inputs: Sequence[Path], own: Mapping[str, Any], options: RunOptions) -> list[Job]:
    """All jobs of a command line, in a fixed order. A missing input becomes a job with an error.

    Args:
        own: the task's options.

    Raises: UsageError if a result would overwrite another or an input; PictureError if an option names a missing file.
    """
    _check_pictures(task, own)
    several = len(inputs) > 1 or any(given.is_dir() for given in inputs)
    streamed = options.out == str(STREAM) or (options.out is None and STREAM in inputs)
    if streamed:
        _check_stream(inputs, options)
    out = _Target(None if streamed else options.out, several, "-o")
    maps = _Target(options.uncertainty, several, "--uncertainty", suffix=".png")
    sheets = _Target(options.contact_sheet, several, "--contact-sheet", suffix=".png")
    masks = _Target(options.write_mask, several, "--write-mask", suffix=".png")
    named = out.path is not None and not out.folder
    if named and options.format is not None and _format(out.path) != _format(Path(f".{options.format}")):
        raise UsageError(f"--format {options.format}, but -o {options.out} names another format; leave one out")
    folders = [target.path for target in (out, maps, sheets, masks) if target.folder and target.path is not None]
    ending = _ending(task, options)
    found, failed = pictures_of(inputs, {ending, *(f".{name}" for name in load().tasks)}, folders)
    jobs = []
    for source, relative in found.items():
        result = relative if options.format is None else relative.with_suffix(f".{options.format}")
        beside = source.with_name(f"{source.stem}{ending}{result.suffix}")
        job = Job(
            source,
            relative,
            STREAM if streamed else out.place(result.with_stem(f"{result.stem}{options.suffix or ''}")) or beside,
            maps.place(relative),
            sheets.place(relative),
            masks.place(relative),
            named=streamed or named,
        )
        jobs.append(_with_options(job, own))
    _refuse_collisions(jobs)
    return jobs + [Job(given, Path(given.name), given, error=error) for given, error in failed.items()]


def _format(path: Path | None) -> str | None:
    return None if path is None else SUFFIXES.get((path.suffix or path.name).lower())


def _ending(task: Task, options: RunOptions) -> str:
    """What the names of results have behind their stem."""
    ending = f".{task.name}" if options.suffix is None else options.suffix
    if not ending or ending != Path(ending).name:
        raise UsageError(f"--suffix {options.suffix!r}: give some letters that can stand in a file's name")
    return ending


def _check_stream(inputs: Sequence[Path], options: RunOptions) -> None:
    """Raises UsageError where a result cannot go to standard output."""
    if len(inputs) > 1 or any(given.is_dir() for given in inputs):
        raise UsageError("standard output (-) takes one picture; name a folder with -o")
    if options.json or options.record:
        raise UsageError("with the picture on standard output there is no place for --json or --record; name a file with -o")
    if sys.stdout.isatty() and not (options.dry_run or options.plan):
        raise UsageError("the picture would be written to the terminal; redirect the output, or name a file with -o")


@dataclass(frozen=True)
class _Target:
    """The destination of results: a file, a folder that mirrors the inputs, or none."""

    written: str | None
    several: bool
    flag: str
    suffix: str | None = None

    def __post_init__(self) -> None:
        if self.path is None:
            return
        unsaid = self.path.suffix and not self.path.is_dir() and not self._slash
        if self.several and (unsaid or self.path.is_file()):
            raise UsageError(f"{self.flag} {self.written} looks like a file, but there may be several results; name a folder")
        if not self.folder and (not self.path.suffix or self.suffix not in (None, self.path.suffix.lower())):
            kind = f"a {self.suffix} file" if self.suffix else "a picture file"
            raise UsageError(f"{self.flag} {self.written}: name {kind}, or a folder with a / at its end")

    @property
    def path(self) -> Path | None:
        return None if self.written is None else Path(self.written)

    @property
    def folder(self) -> bool:
        return self.several or self._slash or (self.path is not None and self.path.is_dir())

    @property
    def _slash(self) -> bool:
        return self.written is not None and self.written.endswith(("/", os.sep))

    def place(self, relative: Path) -> Path | None:
        if self.path is None or not self.folder:
            return self.path
        return self.path / (relative.with_suffix(self.suffix) if self.suffix else relative)


def _refuse_collisions(jobs: list[Job]) -> None:
    read = [path for job in jobs for value in job.options.values() for path in _paths(value) if path.is_file()]
    sources = {os.path.abspath(path) for path in [*(job.source for job in jobs), *read]}
    takers: dict[str, Path] = {}
    for job in jobs:
        for target in job.targets:
            place = os.path.abspath(target)
            if place in sources:
                raise UsageError(f"{target} is an input, and inputs are never written over; name another place with -o")
            if place in takers:
                raise UsageError(f"{target} would be written twice, for {takers[place]} and {job.source}; run them one by one")
            takers[place] = job.source


def _check_pictures(task: Task, own: Mapping[str, Any]) -> None:
    for option in describe(task.Options):
        value = own.get(option.name)
        for path in _paths(value) if option.picture else []:
            if not path.exists() or (option.several and path.is_dir()):
                what = "file" if option.several else "file or folder"
                raise PictureError(f"{option.flag} {path}: no such {what}; check the name")


def _paths(value: Any) -> list[Path]:
    """The paths in an option's value."""
    return [one for one in (value if isinstance(value, list | tuple) else (value,)) if isinstance(one, Path)]


def _with_options(job: Job, options: Mapping[str, Any]) -> Job:
    """The job with its options, where a folder of pictures is replaced by the file that belongs to this picture."""
    try:
        own = {name: _match(job, name, value) if _is_folder(value) else value for name, value in options.items()}
    except PictureError as error:
        return Job(job.source, job.relative, job.out, error=error)
    return replace(job, options=own)


def _is_folder(value: Any) -> bool:
    return isinstance(value, Path) and value.is_dir()


def _match(job: Job, name: str, folder: Path) -> Path:
    """The file in a folder with the picture's relative path and any suffix."""
    from restore.images.formats import SUFFIXES

    same = folder / job.relative
    if same.is_file():
        return same
    others = sorted(same.parent.iterdir()) if same.parent.is_dir() else []
    fitting = [path for path in others if path.stem == same.stem and path.suffix.lower() in SUFFIXES]
    if len(fitting) != 1:
        said = f"no {name}" if not fitting else f"more than one {name}"
        raise PictureError(f"{job.source}: {said} for it; looked for {same.with_suffix('.*')}")
    return fitting[0]
