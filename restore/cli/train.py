"""`restore train`: its options need torch, so they are parsed only when it runs."""

from __future__ import annotations

import click


@click.command("train", add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def train_command(arguments: tuple[str, ...]) -> int | None:
    """Train a prior on a folder of pictures."""
    from restore.training.command import train

    code: int | None = train.main(arguments, prog_name="restore train", standalone_mode=False)
    return code
