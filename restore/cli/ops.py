"""`restore ops`: operators by name."""

from __future__ import annotations

import json as json_module
from typing import Any

import click

from restore.cli.info import table
from restore.degradation.stage import NOISE, factory, parameters
from restore.plugins import manager
from restore.plugins.selection import BUILT_IN


@click.command("ops")
@click.option("--json", is_flag=True, help="print a JSON array")
def ops_command(json: bool) -> None:
    """List the operators of `restore run --op` and `restore degrade --op`.

    Stages are joined by |, in the order in which they happened: restore degrade a.png --op "blur:1.6 | downsample:2 | noise:5"
    """
    plugins = manager.load()
    rows: list[dict[str, Any]] = []
    for name in [*plugins.operators, NOISE]:
        arguments = {one.name: None if one.default is one.empty else one.default for one in parameters(name).values()}
        needed = [one.name for one in parameters(name).values() if one.default is one.empty]
        help = (factory(name).__doc__ or "").strip().partition("\n")[0]
        source = plugins.operators[name].distribution if name in plugins.operators else BUILT_IN
        rows.append({"name": name, "arguments": arguments, "required": needed, "help": help, "distribution": source})
    if json:
        print(json_module.dumps(rows, indent=2))
        return
    shown = [(_spelled(row), row["help"], "" if row["distribution"] == BUILT_IN else row["distribution"]) for row in rows]
    print(table(("operator", "what it does", "package"), shown))


def _spelled(row: dict[str, Any]) -> str:
    parts = [name if name in row["required"] else f"{name}={default}" for name, default in row["arguments"].items()]
    return ":".join([row["name"], ",".join(parts)]) if parts else row["name"]
