"""What runs take beside their network, what plans say beforehand, and other libraries with the same network.

    python -m benchmarks speed --data FOLDER --held-out FOLDER --results FILE.jsonl           # measures what FILE does not hold
    python -m benchmarks speed --results FILE.jsonl --table [--into docs/reports/speed.md]

FOLDER of --data holds photographs of 1000 pixels a side or more, that of --held-out small ones the prior was not trained on.
Seconds of a busy machine say little, so what is compared is taken in turns, in one process where it can be, and told as ratios;
a whole run takes some twenty minutes of two quiet cores. --quick takes the first cell of every section, fewer times, and
--section one of them. Side by side needs the extra `peers`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from benchmarks.harness import Results, Row, arguments, grouped, report, table
from benchmarks.speed.engine import OVERHEAD, TILED
from benchmarks.speed.enlarge import ENLARGE
from benchmarks.speed.gpu import GPU
from benchmarks.speed.large import LARGE
from benchmarks.speed.peers import PEERS
from benchmarks.speed.plan import PLAN
from benchmarks.speed.sections import Section, Setting, machine

SECTIONS = {section.name: section for section in (OVERHEAD, ENLARGE, TILED, LARGE, PLAN, PEERS, GPU)}


def run(given: argparse.Namespace, results: Results) -> None:
    if given.held_out is None:
        raise SystemExit("--held-out is needed to measure")
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as work:
        setting = Setting(given.data, given.held_out, Path(work), given.threads, given.quick, given.lpips)
        for section in (SECTIONS[name] for name in given.section or SECTIONS):
            for cell in list(section.cells(setting))[: 1 if given.quick else None]:
                results.take(key({"section": section.name, "cell": cell}), partial(measured, setting, section, cell))


def measured(setting: Setting, section: Section, cell: Row) -> Row:
    row = {"section": section.name, "cell": cell, "found": section.measure(setting, cell), "on": machine(setting)}
    print(json.dumps({"section": section.name, **cell, **row["found"]}), flush=True)
    return row


def key(row: Row) -> str:
    return json.dumps([row["section"], row["cell"]], sort_keys=True)


def tables(rows: Sequence[Row]) -> list[str]:
    """A table a section, above all what it was measured on."""
    found = grouped(rows, "section")
    texts = [machines(rows)] if rows else []
    for (name,), some in sorted(found.items(), key=lambda item: list(SECTIONS).index(*item[0])):
        section = SECTIONS[name]
        texts.append(f"{section.text}\n\n{table(section.columns, [row['cell'] | row['found'] for row in some])}")
    return texts


def machines(rows: Sequence[Row]) -> str:
    """What each section was measured on."""
    form = "{cpu}, {cores} cores of which {threads} were used{gpu}; torch {torch}, network in {dtype}, prior {prior:.12}"
    placed = [
        {**row, "on": form.format(**row["on"] | {"gpu": f", {gpu}" if (gpu := row["on"]["gpu"]) else ""})} for row in rows
    ]
    found = {place: ", ".join(*zip(*grouped(some, "section"), strict=True)) for (place,), some in grouped(placed, "on").items()}
    return "".join(f"Measured on {place}: {sections}.\n\n" for place, sections in found.items())


def main() -> None:
    parser = arguments(__doc__, "results!", "data", "quick", "table", "into", threads=2)
    parser.add_argument("--held-out", type=Path)
    parser.add_argument("--lpips", type=Path, metavar="FILE.npz", help="weights, for the section enlarge")
    parser.add_argument("--section", choices=SECTIONS, action="append", help="one of the sections; may be given several times")
    report(parser, key, run, tables)
