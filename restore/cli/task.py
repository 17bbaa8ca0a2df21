"""The subcommand of a task: its own flags and those of every task."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import click

from restore.cli import console
from restore.cli.flags import click_options
from restore.device import memory
from restore.errors import UsageError
from restore.options.checked import describe
from restore.options.run_options import RunOptions
from restore.plugins.calls import guarding
from restore.plugins.manager import load
from restore.sampling.samplers import SAMPLERS
from restore.task import Task

NAMES = """Results go beside the input as STEM.{name}.EXT. OUT is a file for one input; a folder (an existing one, one written
with a / at its end, or any OUT with several inputs) mirrors the tree of the inputs. Existing files are kept unless --overwrite
is given: a result with an automatic name is skipped, for one that you named it is an error."""


class TaskCommand(click.Command):
    """A subcommand whose help lists the task's own flags first."""

    def __init__(self, task: Task) -> None:
        with guarding(task, "Options"):
            self.own = click_options(task.Options)
        inputs = click.Argument(["inputs"], nargs=-1, required=True, metavar="IN...", type=click.Path(path_type=Path))
        super().__init__(
            task.name,
            params=[inputs, *self.own, *common()],
            callback=lambda **given: run(task, given),
            help=task.help,
            epilog=NAMES.format(name=task.name),
        )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        flags = [parameter for parameter in self.get_params(ctx) if isinstance(parameter, click.Option)]
        shared = [flag for flag in flags if flag not in self.own]
        for title, parameters in ((f"Options of {self.name}", self.own), ("Options of every task", shared)):
            rows = [row for parameter in parameters if (row := parameter.get_help_record(ctx)) is not None]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


@functools.cache
def command(task: Task) -> click.Command:
    """`restore TASK IN...` for one task."""
    return TaskCommand(task)


def common() -> list[click.Option]:
    """Flags of every task."""
    return click_options(RunOptions, guidances=", ".join(sorted(load().guidances)), samplers=", ".join(SAMPLERS))


def run(task: Task, given: dict[str, Any]) -> int:
    """Run a parsed command line; returns the exit code."""
    inputs = given.pop("inputs")
    own = {option.name: given.pop(option.name) for option in describe(task.Options)}
    options = RunOptions(**given)
    console.set_level(options.quiet, options.verbose)
    if isinstance(options.guidance, str):
        load().guidance(options.guidance.partition(":")[0])
    for flag, value in (("--uncertainty", options.uncertainty), ("--contact-sheet", options.contact_sheet)):
        if value is not None and options.samples < 2:
            raise UsageError(f"{flag} shows how samples differ; give --samples 2 or more")
    if options.max_memory is not None:
        memory.parse(options.max_memory)
    from restore.cli.batch import Batch

    return Batch(task, options).run(inputs, own)
