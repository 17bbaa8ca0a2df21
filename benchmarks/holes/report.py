"""Large holes in photographs, filled by the toolkit and others: LPIPS around them, PSNR inside.

    python -m benchmarks holes --data cbsd68 --lpips lpips-alex.npz --results holes.jsonl [--xphoto PYTHON] [--out FOLDER]
    python -m benchmarks holes --results holes.jsonl --table [--into docs/reports/holes.md]

24 pictures spread over the folder, their middle 256 x 256 pixels. LPIPS is over the hole and 32 pixels around it, PSNR over
the pixels of the hole. `--xphoto` names an interpreter with opencv-contrib-python-headless, for its shift map and FSR.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Results, Row, arguments, by, grouped, markdown, means, report, verdict
from benchmarks.holes.cases import CASES, SIDE, around
from benchmarks.holes.methods import Method, methods
from benchmarks.metrics import Lpips, psnr
from benchmarks.pictures import Array, middle, read, spread, write
from restore import Restorer

BARS = {"64 px": 0.62, "32 px": 0.60}  # LPIPS over Telea's, in the mean.
WORSE = 0.02  # The most by which LPIPS may be above Telea's on a picture.


def main() -> None:
    common = ("data", "prior", "results", "out", "table", "into", "only", "every")
    parser = arguments(__doc__, *common, count=24, lpips="lpips-alex.npz", xphoto="")
    report(parser, by("picture", "hole", "method"), measure, tables)


def measure(given: argparse.Namespace, results: Results) -> None:
    distance = Lpips(Path(given.lpips))
    known = methods(Restorer.from_pretrained(given.prior), given.xphoto)
    paths = spread(given.data, given.count)[:: given.every]
    for hole, make in CASES.items():
        for name, method in known.items():
            for path in paths if given.only in f"{hole} {name}" else []:
                truth, mask = middle(read(path), SIDE), make()
                key = (path.stem, hole, name)
                results.take(key, partial(_row, key, truth, mask, method, distance, given.out))


def _row(
    key: tuple[str, str, str], truth: Array, mask: Array, method: Method, distance: Lpips, out: Path | None
) -> dict[str, Any]:
    picture, hole, name = key
    start = time.perf_counter()
    answer = method(np.where(mask[..., None] > 0, 0, truth).astype(np.uint8), mask)
    seconds = time.perf_counter() - start
    assert (answer[mask == 0] == truth[mask == 0]).all(), f"{key}: known pixels have changed"
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write(out / f"{hole}-{picture}-{name}.png".replace(" ", ""), answer)
    where = around(mask)
    return {
        "picture": picture,
        "hole": hole,
        "method": name,
        "lpips": round(distance(answer[where], truth[where]), 4),
        "psnr": round(psnr(answer, truth, mask > 0), 2),
        "seconds": round(seconds, 2),
    }


def tables(rows: list[Row]) -> list[str]:
    names = list(dict.fromkeys(row["method"] for row in rows))
    lines, bars = [], []
    for (hole,), group in grouped(rows, "hole").items():
        of = {name: {row["picture"]: row for row in group if row["method"] == name} for name in names}
        telea = of.get("Telea", {})
        lines.append([hole, len(telea), *(_cell(list(of[name].values())) for name in names)])
        for name in ("restore", "best"):
            both = [(of[name][picture]["lpips"], row["lpips"]) for picture, row in telea.items() if picture in of.get(name, {})]
            if both:
                share, worst = np.mean([a for a, _ in both]) / np.mean([b for _, b in both]), max(a - b for a, b in both)
                above = sum(a - b > WORSE for a, b in both)
                bar = BARS.get(hole)
                met = "" if bar is None else f"{bar} {verdict(float(share), bar)}"
                bars.append([hole, name, len(both), f"{share:.3f}", met, f"{worst:+.3f}", above, verdict(worst, WORSE)])
    heads = ["hole", "pictures", *names]
    more = ["hole", "setting", "pictures", "LPIPS over Telea's", "at most", "worst picture", f"above {WORSE}", "none"]
    return ["LPIPS / PSNR in dB / seconds, means.\n\n" + markdown(heads, lines), markdown(more, bars)]


def _cell(rows: list[Row]) -> str:
    if not rows:
        return ""
    mean = means(rows, ("lpips", "psnr", "seconds"))
    return f"{mean['lpips']:.3f} / {mean['psnr']:.1f} / {mean['seconds']:.1f}"
