"""What runs take beside their network, how time and memory grow, and other libraries with the same network.

    python benchmarks/speed.py --data FOLDER --held-out FOLDER --results FILE.jsonl           # measures what FILE does not hold
    python benchmarks/speed.py --results FILE.jsonl --table [--into docs/reports/speed.md] [--plot docs/reports/speed.png]

FOLDER of --data holds photographs of 1000 pixels a side or more, that of --held-out small ones the prior was not trained on.
Seconds of a busy machine say little, so what is compared is taken in turns, in one process where it can be, and told as ratios;
a whole run takes some twenty minutes of two quiet cores, --quick a few. Side by side needs the extra `peers`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from exactness import write
from speed_curves import CURVES, plot
from speed_engine import OVERHEAD, TILED
from speed_gpu import GPU
from speed_large import LARGE, MEMORY
from speed_peers import PEERS
from speed_plan import PLAN
from speed_sections import Section, Setting, machine

SECTIONS = {section.name: section for section in (OVERHEAD, TILED, LARGE, PLAN, MEMORY, PEERS, CURVES, GPU)}
Row = dict[str, Any]


def run(setting: Setting, sections: Sequence[Section], results: Path) -> None:
    done = {_key(row) for row in read(results)}
    for section in sections:
        for cell in section.cells(setting):
            row: Row = {"section": section.name, "cell": cell}
            if _key(row) in done:
                continue
            row |= {"found": section.measure(setting, cell), "on": machine(setting)}
            print(json.dumps({"section": section.name, **cell, **row["found"]}), flush=True)
            with results.open("a") as lines:
                lines.write(json.dumps(row) + "\n")


def _key(row: Row) -> str:
    return json.dumps([row["section"], row["cell"]], sort_keys=True)


def read(results: Path) -> list[Row]:
    return [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []


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


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--held-out", type=Path)
    parser.add_argument("--section", choices=SECTIONS, action="append", help="one of the sections; may be given several times")
    parser.add_argument("--quick", action="store_true", help="few cells, small pictures")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="print the tables of what is measured")
    parser.add_argument("--into", metavar="FILE", help="a document whose tables to replace")
    parser.add_argument("--plot", metavar="FILE", help="draw time against size, samples and evaluations")
    given = parser.parse_args(arguments)
    if given.table:
        rows = read(given.results)
        found = tables(rows)
        print(found)
        if given.into:
            write(given.into, [found])
        if given.plot:
            plot(given.plot, [(row["cell"], row["found"]) for row in rows if row["section"] == CURVES.name])
        return
    if given.data is None or given.held_out is None:
        parser.error("--data and --held-out are needed to measure")
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as work:
        setting = Setting(given.data, given.held_out, Path(work), given.threads, given.quick)
        run(setting, [SECTIONS[name] for name in given.section or SECTIONS], given.results)


if __name__ == "__main__":
    sys.exit(main())
