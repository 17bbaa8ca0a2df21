"""`restore plugins` and `restore schema`."""

from __future__ import annotations

import json as json_module
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click

from restore.cli import console
from restore.cli.json_schema import json_schema
from restore.plugins.manager import Record, examine, load
from restore.plugins.scaffold import KINDS, create
from restore.plugins.selection import SELECTION, entries

SLOW = 0.3  # Seconds; --doctor reports plugins that take longer to load, because every `restore --help` waits for them.


@click.group("plugins", invoke_without_command=True)
@click.option("--json", is_flag=True, help="print a JSON array")
@click.option(
    "--doctor", is_flag=True, help="load each plugin in a process of its own; fail (1) if one is broken, slow or heavy"
)
@click.pass_context
def plugins_command(ctx: click.Context, json: bool, doctor: bool) -> int:
    """List plugins, whether they work and how long they take to load.

    The environment variable RESTORE_PLUGINS selects plugins: empty for the built-in ones alone, or names of plugins or
    distributions, separated by commas.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    plugins = load()
    records = [_alone(record) if doctor and record.state == "ok" else record for record in plugins.records]
    if json:
        print(json_module.dumps([asdict(record) for record in records], indent=2))
    else:
        rows = [(one.name, one.distribution, one.version, one.state, f"{one.seconds:.3f} s", _ailment(one)) for one in records]
        print(table(("plugin", "distribution", "version", "state", "loaded in", "error"), rows))
    for (kind, name), distributions in plugins.clashes.items():
        console.logger.warning("%s %r is provided by %s; it cannot be used", kind, name, " and ".join(distributions))
    return int(bool(_ill(records) or plugins.clashes)) if doctor else 0


@plugins_command.command("new")
@click.argument("name", metavar="restore-NAME")
@click.option("--kind", type=click.Choice(KINDS), default="task", show_default=True, help="what the plugin provides")
@click.option(
    "-o", "out", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="folder to make it in; here by default"
)
def new_command(name: str, kind: str, out: Path) -> int:
    """Make a folder with a plugin that installs and passes its tests as it is, to be changed."""
    for path in create(name, kind, out):
        print(path)
    return 0


def _ailment(record: Record) -> str:
    """What is wrong with a plugin, for the table."""
    return record.error or "; ".join(f"{name} is left out: the toolkit has its own" for name in record.left_out)


def _alone(record: Record) -> Record:
    """The record of a plugin loaded alone, in a process of its own."""
    code = f"from restore.cli.info import measure; measure({record.name!r}, {record.distribution!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, SELECTION: ""})
    if done.returncode != 0:
        return replace(record, state="error", error=done.stderr.strip().rpartition("\n")[2])
    seconds, heavy = json_module.loads(done.stdout.splitlines()[-1])
    return replace(record, seconds=seconds, heavy=heavy)


def measure(name: str, distribution: str) -> None:
    """Print the seconds to load a plugin and whether that imports torch. `restore plugins --doctor` runs this in a process."""
    entry = next(one for one in entries() if one.name == name and one.dist and one.dist.name == distribution)
    _, record = examine(entry)
    print(json_module.dumps([record.seconds, record.heavy]))


def _ill(records: Sequence[Record]) -> bool:
    """Whether any plugin is broken, slow or heavy; logs a warning for each fault."""
    found = False
    for record in records:
        complaints = [record.error] if record.error else []
        complaints += [f"{name} is a name of the toolkit's own; give another" for name in record.left_out]
        complaints += ["imports torch when loaded; import it inside methods"] if record.heavy else []
        complaints += [f"takes {record.seconds:.2f} s to load, more than {SLOW}"] if record.seconds > SLOW else []
        for complaint in complaints:
            console.logger.warning("plugin %s of %s: %s", record.name, record.distribution, complaint)
        found |= bool(complaints)
    return found


@click.command("schema")
@click.argument("task")
def schema_command(task: str) -> None:
    """Print the options of TASK as a JSON schema."""
    print(json_module.dumps(json_schema(load().task(task)), indent=2))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as text, with columns as wide as their contents."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]]
    return "\n".join(line.rstrip() for line in lines)
