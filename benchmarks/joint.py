"""A known degradation undone in one solve, and by one tool after another.

    python -m benchmarks joint --data cbsd68 --results docs/reports/results/joint.jsonl
    python -m benchmarks joint --results docs/reports/results/joint.jsonl --table --into docs/reports/joint.md

The middle 160 x 160 pixels of ten photographs, damaged by OP. "joint" is `restore run --op OP`; "chained" are the four tools
that undo one stage each, from the last to the first, told the same: `jpeg --assumed-quality`, `denoise --sigma`,
`super-resolution --scale`, `deblur --kernel`.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.harness import Results, Row, arguments, by, grouped, means, report, table
from benchmarks.metrics import psnr
from benchmarks.pictures import Array, read, spread
from restore import Restorer

OP = "blur:1.2 | downsample:2 | noise:4 | jpeg:75"
SIDE = 160
ENLARGE: dict[str, Any] = {"scale": 2.0, "reduced_by": "bicubic"}
WAYS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "bicubic": (),
    "joint": (("run", {"op": OP}),),
    "chained": (
        ("jpeg", {"assumed_quality": 75}),
        ("denoise", {"sigma": 4.0}),
        ("super-resolution", {**ENLARGE, "sigma": 0.0}),
        ("deblur", {"kernel": "gaussian:1.2", "sigma": 0.0}),
    ),
    "chained, auto": (
        ("jpeg", {"assumed_quality": 75}),
        ("denoise", {}),
        ("super-resolution", ENLARGE),
        ("deblur", {"kernel": "gaussian:1.2"}),
    ),
}


def main() -> None:
    report(arguments(__doc__, "data", "results", "table", "into", count=10), by("picture", "way"), measure, tables)


def measure(given: argparse.Namespace, results: Results) -> None:
    restorer = Restorer.from_pretrained("photo")
    for path in spread(given.data, given.count):
        truth = _middle(read(path))
        damaged = restorer("degrade", truth, op=OP).image
        for way in WAYS:
            results.take((path.stem, way), partial(_row, restorer, path, truth, damaged, way))


def _row(restorer: Restorer, path: Path, truth: Array, damaged: Array, way: str) -> dict[str, Any]:
    found = damaged
    for task, options in WAYS[way]:
        found = restorer(task, found, **options).image
    if not WAYS[way]:
        found = cv2.resize(damaged, truth.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return {"picture": path.stem, "way": way, "psnr": round(psnr(found, truth), 3)}


def _middle(picture: Array) -> Array:
    top, left = ((side - SIDE) // 2 for side in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + SIDE, left : left + SIDE])


def tables(rows: list[Row]) -> list[str]:
    best = {row["picture"]: row["psnr"] for row in rows if row["way"] == "joint"}
    lines = []
    for (way,), group in grouped(rows, "way").items():
        away = [best[row["picture"]] - row["psnr"] for row in group if row["picture"] in best]
        lines.append({"way": way, "count": len(group), "behind": np.mean(away), "least": min(away), **means(group, ("psnr",))})
    columns = [
        ("way", "{way}"),
        ("pictures", "{count}"),
        ("PSNR, dB", "{psnr:.2f}"),
        ("joint over it", "{behind:+.2f}"),
        ("at least", "{least:+.2f}"),
    ]
    pictures = [
        {"picture": name, **{row["way"]: row["psnr"] for row in group}} for (name,), group in grouped(rows, "picture").items()
    ]
    return [table(columns, lines), table([("picture", "{picture}"), *((way, f"{{{way}:.2f}}") for way in WAYS)], pictures)]


if __name__ == "__main__":
    main()
