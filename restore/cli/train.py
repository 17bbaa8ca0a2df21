"""`restore train`: `restore.training.command` needs torch, so it is imported when it runs."""

from __future__ import annotations

from importlib import import_module

import click

from restore.errors import UsageError


@click.command("train", add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def train_command(arguments: tuple[str, ...]) -> int | None:
    """Train a prior on a folder of pictures."""
    try:
        train = import_module("restore.training.command").train
    except ModuleNotFoundError as error:
        if error.name != "restore.training.command":
            raise
        raise UsageError("this version has no training command; use restore.training from Python") from None
    result: int | None = train.main(arguments, prog_name="restore train", standalone_mode=False)
    return result
