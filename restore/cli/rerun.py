"""`restore rerun RESULT`: reproduces a result from its record."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from restore.cli import console
from restore.cli.flags import click_options
from restore.errors import PictureError, UsageError
from restore.options.checked import build, describe
from restore.options.run_options import RunOptions
from restore.plugins.calls import build_options
from restore.plugins.manager import load
from restore.task import Task

FIELDS = {"task": str, "options": dict, "request": dict, "input": dict, "prior_hash": str}
FIELDS_OF_INPUT = {"path": str, "sha256": str}


@click.command("rerun")
@click.argument("result", type=click.Path(path_type=Path))
@click.option("-o", "--out", metavar="OUT", help="where the new picture goes; RESULT itself with --overwrite")
@click.option("--input", "source", type=click.Path(path_type=Path), help="the input, if it is not where the record says")
def rerun_command(
    result: Path,
    out: str | None,
    source: Path | None,
    device: str | None,
    overwrite: bool,
    json: bool,
    quiet: bool,
    verbose: int,
) -> int:
    """Reproduce a result from the record that --record stored."""
    console.set_level(quiet, verbose)
    from restore.cli.batch import Batch
    from restore.cli.save import load_record

    record = load_record(result)
    _check(record, result)
    asked = {**record["request"], "device": device, "out": out or str(result), "overwrite": overwrite, "json": json}
    try:
        task = load().task(record["task"])
        options = build(RunOptions, **{**asked, "record": True})
        own = _options(task, record["options"])
        build_options(task, **own)
    except UsageError as error:
        raise PictureError(f"{result}: its record asks for what this version has not ({error})") from None
    return Batch(task, options, record["prior_hash"]).run((_source(record["input"], source, result),), own)


rerun_command.params += click_options(RunOptions, "device", "overwrite", "json", "quiet", "verbose")


def _check(record: dict[str, Any], result: Path) -> None:
    """Raises PictureError for a record without the fields that are needed, or with values of other types in them."""
    for place, fields in (record, FIELDS), (record.get("input"), FIELDS_OF_INPUT):
        for name, kind in fields.items():
            if not isinstance(place, dict) or not isinstance(place.get(name), kind):
                raise PictureError(f"{result}: its record is not complete ({name!r}); it may be of another version")


def _source(recorded: dict[str, str], given: Path | None, result: Path) -> Path:
    """The path of the input. Raises PictureError if it is missing or its content has changed."""
    from hashlib import sha256

    written = Path(recorded["path"])
    for path in [given] if given else [written, result.parent / written.name]:
        if os.path.isfile(path):  # False for a name that no file can have, too.
            if sha256(path.read_bytes()).hexdigest() != recorded["sha256"]:
                raise PictureError(f"{path} is not the input {result} was made from: its content differs")
            return path
    raise PictureError(f"{given or written}: the input is missing; give it with --input FILE")


def _options(task: Task, recorded: dict[str, Any]) -> dict[str, Any]:
    pictures = {option.name for option in describe(task.Options) if option.picture}

    def read(value: Any) -> Any:
        return tuple(map(Path, value)) if isinstance(value, list) else Path(value)

    return {name: read(value) if name in pictures and value is not None else value for name, value in recorded.items()}
