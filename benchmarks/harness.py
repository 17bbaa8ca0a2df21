"""What every measurement needs: its arguments, figures kept as JSON lines, Markdown tables, and the document they stand in."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- tables -->\n", "<!-- end of tables -->"
Row = Any


def arguments(doc: str | None, *common: str) -> argparse.ArgumentParser:
    """A parser with the program's docstring, and some of the arguments that programs share.

    Args:
        common: of data (a folder), prior, results (a file of JSON lines), table (print what is measured), into (a document
            whose tables to replace), plot (a figure), only (what to measure), every, quick; with a ! for what must be given.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    known: dict[str, dict[str, Any]] = {
        "data": {"type": Path, "metavar": "FOLDER", "help": "pictures to measure on"},
        "prior": {"default": "photo", "help": "a bundled model, a folder, a Hub id or scheme:id"},
        "results": {"type": Path, "metavar": "FILE.jsonl", "help": "keep figures here, and measure only what it does not hold"},
        "table": {"action": "store_true", "help": "print the tables of what is measured"},
        "into": {"metavar": "FILE.md", "help": "a document whose tables to replace"},
        "plot": {"metavar": "FILE", "help": "draw the figure of the report"},
        "only": {"default": "", "help": "measure what has this in its name"},
        "every": {"type": int, "default": 1, "metavar": "N", "help": "use every N-th picture only"},
        "quick": {"action": "store_true", "help": "few cells, small pictures"},
    }
    for name in common:
        must = {"required": True} if name.endswith("!") else {}
        parser.add_argument(f"--{name.rstrip('!')}", **known[name.rstrip("!")], **must)
    return parser


class Results:
    """Figures taken, a JSON line each, in a file if there is one.

    Args:
        path: of the file; None keeps them in memory.
        key: what a row is of, so that it is taken once.
    """

    def __init__(self, path: Path | None, key: Callable[[Row], Hashable]) -> None:
        self.path, self.key = path, key
        lines = path.read_text().splitlines() if path is not None and path.exists() else []
        self.rows: list[Row] = [json.loads(line) for line in lines]
        self.done = {key(row) for row in self.rows}

    def take(self, key: Hashable, measure: Callable[[], Row]) -> None:
        """Measures and keeps the row of a key that is not there yet."""
        if key in self.done:
            return
        row = measure()
        assert self.key(row) == key, (self.key(row), key)
        self.rows.append(row)
        self.done.add(key)
        if self.path is not None:
            with self.path.open("a") as lines:
                lines.write(json.dumps(row) + "\n")


def markdown(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table, with a line break at its end."""
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)]) + "\n"


def verdict(value: float, bar: float, *, least: bool = False) -> str:
    """Whether a bar is met: the most there may be, or with `least` the least."""
    met = value >= bar if least else value <= bar
    return "yes" if met else "**no**"


def publish(texts: Sequence[str], into: str | None = None) -> None:
    """Prints tables, and puts them where a document has its tables.

    Raises: SystemExit for a document without a place for them.
    """
    print("\n".join(texts))
    if into is None:
        return
    page = Path(into)
    before, begun, rest = page.read_text().partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (begun and ended):
        raise SystemExit(f"{page}: no lines {BEGIN.strip()} and {END} to put tables between")
    page.write_text(before + BEGIN + "\n" + "\n".join(texts) + END + after)
