"""The jobs of a command line: input, options and output files of each picture."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from restore.errors import PictureError, UsageError
from restore.options import describe
from restore.run_options import RunOptions
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
        return [target for target in (self.out, self.map, self.sheet, self.mask) if target is not None]


def jobs_of(task: Task, inputs: Sequence[Path], own: Mapping[str, Any], options: RunOptions) -> list[Job]:
    """All jobs of a command line, in a fixed order. A missing input becomes a job with an error.

    Args:
        own: the task's options.

    Raises: UsageError if a result would overwrite another or an input; PictureError if an option names a missing file.
    """
    _check_pictures(task, own)
    several = len(inputs) > 1 or any(given.is_dir() for given in inputs)
    out = _Target(options.out, several, "-o")
    maps = _Target(options.uncertainty, several, "--uncertainty", suffix=".png")
    sheets = _Target(options.contact_sheet, several, "--contact-sheet", suffix=".png")
    masks = _Target(options.write_mask, several, "--write-mask", suffix=".png")
    places = [target.path for target in (out, maps, sheets, masks) if target.folder and target.path is not None]
    found, lost = _find(task, inputs, places)
    jobs = []
    for source, relative in found.items():
        beside = source.with_name(f"{source.stem}.{task.name}{source.suffix}")
        job = Job(
            source,
            relative,
            out.place(relative) or beside,
            maps.place(relative),
            sheets.place(relative),
            masks.place(relative),
            named=bool(out.path and not out.folder),
        )
        jobs.append(_with_options(job, own))
    _refuse_collisions(jobs)
    return jobs + lost


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


def _find(task: Task, inputs: Sequence[Path], folders: list[Path]) -> tuple[dict[Path, Path], list[Job]]:
    """Pictures with their relative paths, and a failed job for each input without any. Results of earlier runs are left out."""
    from restore.images.finding import find

    found: dict[Path, Path] = {}
    lost = []
    for given in inputs:
        try:
            pictures = find([given])
            if given.is_dir():
                inside = [folder for folder in folders if _inside(folder, given)]
                pictures = [pair for pair in pictures if not _earlier(pair[0], task.name, inside)]
            if not pictures:
                raise PictureError(f"{given}: nothing but results of earlier runs in this folder")
        except PictureError as error:
            lost.append(Job(given, Path(given.name), given, error=error))
            continue
        for path, relative in pictures:
            found.setdefault(path, relative)
    return found, lost


def _inside(inner: Path, outer: Path) -> bool:
    return Path(os.path.abspath(outer)) in Path(os.path.abspath(inner)).parents


def _earlier(path: Path, task: str, folders: list[Path]) -> bool:
    return path.stem.endswith(f".{task}") or any(_inside(path, folder) for folder in folders)


def _refuse_collisions(jobs: list[Job]) -> None:
    read = [value for job in jobs for value in job.options.values() if isinstance(value, Path) and value.is_file()]
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
        if option.picture and isinstance(value, Path) and not value.exists():
            raise PictureError(f"{option.flag} {value}: no such file or folder; check the name")


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
