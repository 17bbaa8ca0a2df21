"""BM3D on the kinds of noise of `real-noise`, at the best of three strengths near the true level, beside that program's rows.

    python -m benchmarks real-bm3d --data ../shared/data/cbsd68 --every 24 --results docs/reports/results/real-bm3d.jsonl
    python -m benchmarks real-bm3d --results docs/reports/results/real-bm3d.jsonl --table --into docs/reports/noise-bm3d.md

BM3D for colour (Dabov et al. 2007; package `bm3d`) is told 0.7, 1 and 1.4 times the root mean square of what was added, and the
truth chooses. It takes 15 seconds a picture.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Results, arguments, by, grouped, report, table
from benchmarks.metrics import psnr
from benchmarks.pictures import Array, paths, rounded
from benchmarks.real.damage import NOISE
from benchmarks.real.noise import damaged_middle

FACTORS = (0.7, 1.0, 1.4)
KINDS = [kind for kind in NOISE if kind != "clean"]
key = by("kind", "picture")


def main() -> None:
    parser = arguments(
        __doc__, "data", "results", "table", "into", "only", "every", beside="docs/reports/results/real-noise.jsonl"
    )
    beside = {}

    def measure(given: argparse.Namespace, results: Results) -> None:
        for kind in KINDS:
            for path in paths(given.data)[:: given.every]:
                if given.only in kind:
                    results.take((kind, path.stem), partial(one, path, kind))

    def tables(rows: list[Any]) -> list[str]:
        beside.update({key(row): row for row in Results(Path(parser.parse_args().beside), key).rows})
        return [_table(rows, beside)]

    report(parser, key, measure, tables)


def one(path: Path, kind: str) -> dict[str, Any]:
    from bm3d import bm3d_rgb

    truth, damaged = damaged_middle(path, kind)
    level = float(np.sqrt(np.mean((damaged - truth.astype(np.float64)) ** 2)))

    def answer(sigma: float) -> Array:
        return rounded(bm3d_rgb(damaged / 255, sigma / 255) * 255)

    return {
        "kind": kind,
        "picture": path.stem,
        "bm3d": round(max(psnr(answer(factor * level), truth) for factor in FACTORS), 3),
    }


def _table(rows: list[Any], beside: dict[Any, Any]) -> str:
    lines = []
    for (kind,), of_kind in grouped(rows, "kind").items():
        others = [beside[key(row)] for row in of_kind]
        means = {name: np.mean([row[name] for row in others]) for name in ("damaged", "nlm", "restore")}
        bm3d = np.mean([row["bm3d"] for row in of_kind])
        lines.append({"kind": kind, "count": len(of_kind), "bm3d": bm3d, "over": means["restore"] - bm3d} | means)
    names = ("damaged", "nlm", "bm3d", "restore", "over")
    lines.append({"kind": "mean", "count": len(rows)} | {name: np.mean([line[name] for line in lines]) for name in names})
    return table(
        [
            ("noise", "{kind}"),
            ("pictures", "{count}"),
            ("damaged", "{damaged:.2f}"),
            ("NLM, best", "{nlm:.2f}"),
            ("BM3D, best", "{bm3d:.2f}"),
            ("restore, blind", "{restore:.2f}"),
            ("over BM3D", "{over:+.2f}"),
        ],
        lines,
    )


if __name__ == "__main__":
    main()
