"""The subcommand of a task: flags of its own, and those every task has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from restore.cli import console
from restore.cli.flags import click_options
from restore.cli.request import Request
from restore.device import memory
from restore.errors import UsageError
from restore.options import describe
from restore.plugins.manager import load
from restore.task import Task

NAMES = """Results go beside the input as STEM.{name}.EXT. OUT is a file for one input; a folder (an existing one, one written
with a / at its end, or any OUT with several inputs) mirrors the tree of the inputs. What exists is kept unless --overwrite: a
result named by rule is skipped, one you named is an error."""


class TaskCommand(click.Command):
    """Help in two parts: the task's own flags first."""

    def __init__(self, task: Task) -> None:
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


def command(task: Task) -> click.Command:
    """`restore TASK IN...` for one task."""
    return TaskCommand(task)


def run(task: Task, given: dict[str, Any]) -> int:
    """Runs a parsed command line; gives the exit code."""
    console.set_level(given.pop("quiet"), given.pop("verbose"))
    options = {option.name: given.pop(option.name) for option in describe(task.Options)}
    if given["guidance"] is not None:
        load().guidance(given["guidance"].partition(":")[0])
    if given["uncertainty"] is not None and given["samples"] < 2:
        raise UsageError("--uncertainty is the spread of samples; give --samples 2 or more")
    if given["contact_sheet"] is not None and given["samples"] < 2:
        raise UsageError("--contact-sheet shows the samples; give --samples 2 or more")
    if given["max_memory"] is not None:
        memory.parse(given["max_memory"])
    from restore.cli.batch import run as run_batch

    return run_batch(Request(task=task, options=options, **given))


def common() -> list[click.Parameter]:
    """Flags of every task."""
    positive = click.IntRange(min=1)
    methods = ", ".join(sorted(load().guidances))
    return [
        click.Option(["-o", "--out"], metavar="OUT", help="where results go: a file, or a folder"),
        click.Option(
            ["--seed"], type=int, default=0, metavar="N", help="of all noise: the same seed, the same picture  [default 0]"
        ),
        click.Option(
            ["--quality"],
            type=click.Choice(["fast", "balanced", "best"]),
            default="balanced",
            help="how much work an answer is worth  [default balanced]",
        ),
        click.Option(["--steps"], type=positive, metavar="N", help="transitions; what the quality says if not given"),
        click.Option(["--guidance"], metavar="NAME[:key=value,...]", help=f"the method, if not the task's own: {methods}"),
        click.Option(["--prior"], default="photo", help="a bundled model, a model folder, or SCHEME:ID  [default photo]"),
        click.Option(["--samples"], type=positive, default=1, metavar="N", help="posterior samples to draw  [default 1]"),
        click.Option(
            ["--answer"], type=click.Choice(["sample", "mean"]), help="write the first sample or the mean of the samples"
        ),
        click.Option(
            ["--fidelity"],
            type=click.FloatRange(0, 1),
            metavar="F",
            help="1: closest to the truth, smooth where it is unknown; 0: crisp, its detail invented; between: a blend",
        ),
        click.Option(
            ["--early-exit"],
            type=click.FloatRange(0, 255, min_open=True),
            metavar="TOLERANCE",
            help="end a run once no open pixel of the prior's answer changes by more grey levels (0-255) from step to step",
        ),
        click.Option(
            ["--uncertainty"],
            metavar="MAP.png",
            help="write what was invented, outlined, beside the spread of the samples; a folder for several inputs",
        ),
        click.Option(
            ["--contact-sheet"], metavar="SHEET.png", help="write all samples side by side; a folder for several inputs"
        ),
        click.Option(["--device"], help="cpu, cuda, cuda:1, mps; this machine's best if not given"),
        click.Option(
            ["--dtype"], type=click.Choice(["auto", "float32", "bfloat16", "float16"]), help="arithmetic of the network"
        ),
        click.Option(["--tile"], type=click.IntRange(min=64), metavar="N", help="most pixels a side that go through at once"),
        click.Option(["--max-memory"], metavar="SIZE", help="what it may take in all, such as 500MB, 2GB or 1.5GiB"),
        click.Option(
            ["--compile"],
            type=click.Choice(["auto", "on", "off"]),
            default="auto",
            help="compile the network (torch.compile); auto: where a long run repays it  [default auto]",
        ),
        click.Option(
            ["--metadata"], type=click.Choice(["keep", "strip"]), default="keep", help="EXIF, XMP, dpi  [default keep]"
        ),
        click.Option(["--overwrite"], is_flag=True, help="replace results that exist"),
        click.Option(["--record"], is_flag=True, help="keep how it was made: in a PNG's text, beside others as OUT.json"),
        click.Option(["--strict"], is_flag=True, help="fail (1) if a result does not agree with its input"),
        click.Option(["--dry-run"], is_flag=True, help="print what would be written, do nothing"),
        click.Option(["--plan"], is_flag=True, help="print windows, evaluations, memory and time to expect, do nothing"),
        click.Option(["--json"], is_flag=True, help="print a JSON object a picture"),
        click.Option(["-q", "--quiet"], is_flag=True, help="errors only"),
        click.Option(["-v", "--verbose"], count=True, help="details; -vv: tracebacks too"),
    ]
