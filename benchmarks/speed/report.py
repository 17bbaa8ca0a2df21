"""What runs take beside their network, how time and memory grow, and other libraries with the same network.

    python -m benchmarks speed --data FOLDER --held-out FOLDER --results FILE.jsonl           # measures what FILE does not hold
    python -m benchmarks speed --results FILE.jsonl --table [--into docs/reports/speed.md] [--plot docs/reports/speed.png]

FOLDER of --data holds photographs of 1000 pixels a side or more, that of --held-out small ones the prior was not trained on.
Seconds of a busy machine say little, so what is compared is taken in turns, in one process where it can be, and told as ratios;
a whole run takes some twenty minutes of two quiet cores, --quick a few. Side by side needs the extra `peers`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import Results, arguments, publish
from benchmarks.speed.curves import CURVES, plot
from benchmarks.speed.engine import OVERHEAD, TILED
from benchmarks.speed.gpu import GPU
from benchmarks.speed.large import LARGE, MEMORY
from benchmarks.speed.peers import PEERS
from benchmarks.speed.plan import PLAN
from benchmarks.speed.sections import Section, Setting, machine

SECTIONS = {section.name: section for section in (OVERHEAD, TILED, LARGE, PLAN, MEMORY, PEERS, CURVES, GPU)}
Row = dict[str, Any]


def run(setting: Setting, sections: Sequence[Section], results: Results) -> None:
    for section in sections:
        for cell in section.cells(setting):
            results.take(_key({"section": section.name, "cell": cell}), partial(_measured, setting, section, cell))


def _measured(setting: Setting, section: Section, cell: Row) -> Row:
    row = {"section": section.name, "cell": cell, "found": section.measure(setting, cell), "on": machine(setting)}
    print(json.dumps({"section": section.name, **cell, **row["found"]}), flush=True)
    return row


def _key(row: Row) -> str:
    return json.dumps([row["section"], row["cell"]], sort_keys=True)


def tables(rows: Sequence[Row]) -> str:
    """Markdown: a table a section, above all what it was measured on."""
    texts = [_machines(rows)] if rows else []
    for section in SECTIONS.values():
        found = [(row["cell"], row["found"]) for row in rows if row["section"] == section.name]
        if found:
            texts.append(f"{section.text}\n\n{section.table(found)}")
    return "\n".join(texts)


def _machines(rows: Sequence[Row]) -> str:
    """What each section was measured on."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        on = row["on"]
        place = f"{on['cpu']}, {on['cores']} cores of which {on['threads']} were used" + (f", {on['gpu']}" if on["gpu"] else "")
        place += f"; torch {on['torch']}, network in {on['dtype']}, prior {on['prior'][:12]}"
        found.setdefault(place, {})[row["section"]] = None
    return "".join(f"Measured on {place}: {', '.join(sections)}.\n\n" for place, sections in found.items())


def main() -> None:
    parser = arguments(__doc__, "results!", "data", "quick", "table", "into", "plot")
    parser.add_argument("--held-out", type=Path)
    parser.add_argument("--section", choices=SECTIONS, action="append", help="one of the sections; may be given several times")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    results = Results(given.results, _key)
    if given.table:
        publish([tables(results.rows)], given.into)
        if given.plot:
            plot(given.plot, [(row["cell"], row["found"]) for row in results.rows if row["section"] == CURVES.name])
        return
    if given.data is None or given.held_out is None:
        parser.error("--data and --held-out are needed to measure")
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as work:
        setting = Setting(given.data, given.held_out, Path(work), given.threads, given.quick)
        run(setting, [SECTIONS[name] for name in given.section or SECTIONS], results)
