"""What every measurement needs: its arguments, figures kept as JSON lines, Markdown tables, and the document they stand in."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

BEGIN, END = "<!-- tables -->\n", "<!-- end of tables -->"
Row = Any
# A head, and the cell under it: a format of the row's entries like "{psnr:.2f}", or a function of the row.
Column = tuple[str, str | Callable[[Row], object]]

COMMON: dict[str, dict[str, Any]] = {
    "data": {"type": Path, "metavar": "FOLDER", "help": "pictures to measure on"},
    "prior": {"default": "photo", "help": "a bundled model, a folder, a Hub id or scheme:id"},
    "results": {"type": Path, "metavar": "FILE.jsonl", "help": "keep figures here, and measure only what it does not hold"},
    "out": {"type": Path, "metavar": "FOLDER", "help": "what is made lies here, and is continued there"},
    "table": {"action": "store_true", "help": "print the tables of what is measured"},
    "into": {"metavar": "FILE.md", "help": "a document whose tables to replace"},
    "plot": {"metavar": "FILE", "help": "draw the figure of the report"},
    "only": {"default": "", "help": "measure what has this in its name"},
    "every": {"type": int, "default": 1, "metavar": "N", "help": "use every N-th picture only"},
    "quick": {"action": "store_true", "help": "few cells, small pictures"},
}


def arguments(doc: str | None, *common: str, **own: Any) -> argparse.ArgumentParser:
    """A parser with the program's docstring, some of the arguments that programs share, and the program's own.

    Args:
        common: of `COMMON`; with a ! for what must be given.
        own: a default, whose type the value has, or the type alone of what is positional.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in common:
        must = {"required": True} if name.endswith("!") else {}
        parser.add_argument(f"--{name.rstrip('!')}", **COMMON[name.rstrip("!")], **must)
    for name, value in own.items():
        if isinstance(value, type):
            parser.add_argument(name, type=value)
        else:
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
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


def by(*names: str) -> Callable[[Row], tuple[Any, ...]]:
    """The key that entries of these names make; None for what a row does not have."""
    return lambda row: tuple(row.get(name) for name in names)


def report(
    parser: argparse.ArgumentParser,
    key: Callable[[Row], Hashable],
    measure: Callable[[argparse.Namespace, Results], None],
    tables: Callable[[list[Row]], Sequence[str]],
    plot: Callable[[str, list[Row]], None] | None = None,
) -> None:
    """Runs a program that keeps results: with `--table` or `--plot` it shows what they hold, otherwise it measures the rest."""
    given = parser.parse_args()
    results = Results(given.results, key)
    drawn = plot is not None and given.plot
    if given.table or drawn:
        publish(tables(results.rows), given.into)
        if drawn:
            plot(given.plot, results.rows)
    elif given.data is None:
        parser.error("--data is needed to measure")
    else:
        measure(given, results)


def grouped(rows: Iterable[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by their entries of these names, in the order in which these come first."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(by(*names)(row), []).append(row)
    return groups


def means(rows: Sequence[Row], names: Iterable[str]) -> dict[str, float]:
    """Of each entry, over the rows that have it."""
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}


def table(columns: Sequence[Column], rows: Iterable[Row]) -> str:
    """Markdown: a line a row, a cell a column."""
    lines = [[cell.format_map(row) if isinstance(cell, str) else cell(row) for _, cell in columns] for row in rows]
    return markdown([head for head, _ in columns], lines)


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


@contextmanager
def drawing(path: str, rows: int, columns: int, size: tuple[float, float], **words: Any) -> Iterator[tuple[Any, list[Any]]]:
    """A figure and its axes, row by row, saved at the end."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained", **words)
    yield figure, list(axes.flat)
    figure.savefig(path, dpi=80)
    pyplot.close(figure)
