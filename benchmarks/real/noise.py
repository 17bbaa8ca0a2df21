"""Blind denoising of many kinds of noise, beside filters and white denoising whose strength the truth chooses.

    python -m benchmarks real-noise --data ../shared/data/cbsd68 --every 4 --results docs/reports/results/real-noise.jsonl
    python -m benchmarks real-noise --results docs/reports/results/real-noise.jsonl --table --into docs/reports/noise.md

Of each picture the middle 192 x 192 pixels are damaged (benchmarks/real/damage.py) and restored with default settings. "NLM"
is OpenCV's non-local means for colour at the best of eight strengths, "white" one evaluation of the same prior at the best of
fourteen levels. "told" is restore with --sigma, where noise is white. With --kept FILE.jsonl, what does not depend on the
measurement of noise (NLM and white) is taken from older results.
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.harness import Results, arguments, by, grouped, report, table
from benchmarks.metrics import psnr
from benchmarks.pictures import paths, read, rounded, tensor
from benchmarks.real.damage import NOISE, WHITE
from restore import Restorer

SIDE = 192
STRENGTHS = (2, 3, 4, 6, 8, 10, 14, 20)
LEVELS = (1, 2, 3, 5, 7, 9, 12, 15, 18, 22, 26, 32, 40, 50)
MOST = 70.0  # dB; beyond, a picture counts as unchanged.


def main() -> None:
    parser = arguments(__doc__, "data", "prior", "results", "table", "into", "only", "every", kept="")
    report(parser, by("kind", "picture"), measure, tables)


def measure(given: argparse.Namespace, results: Results) -> None:
    restorer = Restorer.from_pretrained(given.prior)
    key = by("kind", "picture")
    kept = {key(row): row for row in Results(Path(given.kept), key).rows} if given.kept else {}
    for kind in NOISE:
        for path in paths(given.data)[:: given.every]:
            if given.only in kind:
                results.take((kind, path.stem), lambda: one(restorer, path, kind, kept))  # noqa: B023 - called at once


def damaged_middle(path: Path, kind: str) -> tuple[Any, Any]:
    """The middle of a picture, and the same with one kind of noise, seeded by both names; (192, 192, 3) uint8 each."""
    whole = read(path)
    top, left = (whole.shape[0] - SIDE) // 2, (whole.shape[1] - SIDE) // 2
    truth = np.ascontiguousarray(whole[top : top + SIDE, left : left + SIDE])
    return truth, NOISE[kind](truth.astype(np.float64), np.random.default_rng(zlib.crc32(f"{kind} {path.stem}".encode())))


@torch.no_grad()
def one(restorer: Restorer, path: Any, kind: str, kept: Any) -> dict[str, Any]:
    """The figures of a picture with one kind of noise."""
    truth, damaged = damaged_middle(path, kind)

    def figure(answer: Any) -> float:
        return round(min(psnr(answer, truth), MOST), 3)

    def best() -> dict[str, float]:
        """Of the filter and of white denoising, at the strength that comes closest to the truth."""
        y = tensor(damaged)
        levels = [restorer.prior(y, level / 127.5).clamp(-1, 1) for level in LEVELS]
        return {
            "nlm": max(figure(cv2.fastNlMeansDenoisingColored(damaged, None, h, h, 7, 21)) for h in STRENGTHS),
            "white": max(figure(rounded(((x[0] + 1) * 127.5).permute(1, 2, 0).numpy())) for x in levels),
        }

    old = kept.get((kind, path.stem))
    found = restorer("denoise", damaged)
    return {
        "kind": kind,
        "picture": path.stem,
        "damaged": figure(damaged),
        **({name: old[name] for name in ("nlm", "white")} if old else best()),
        "restore": figure(found.image),
        "told": figure(restorer("denoise", damaged, sigma=WHITE[kind]).image) if kind in WHITE else None,
        "true": round(float(np.sqrt(np.mean((damaged - truth.astype(np.float64)) ** 2))), 2),
        "estimated": round(found.record["sigma_y"] * 127.5, 2),
    }


def tables(rows: list[Any]) -> list[str]:
    lines = []
    for (kind,), of_kind in grouped(rows, "kind").items():
        names = [name for name, value in of_kind[0].items() if isinstance(value, float)]
        line = {name: np.mean([row[name] for row in of_kind]) for name in names}
        ratios = [row["estimated"] - row["true"] for row in of_kind]
        lines.append(
            line | {"kind": kind, "least": min(row["restore"] - row["nlm"] for row in of_kind), "error": np.std(ratios)}
        )
    noisy = [line for line in lines if line["kind"] != "clean"]
    mean = {name: np.mean([line[name] for line in noisy]) for name in noisy[0] if name not in ("kind", "told")}
    return [
        table(
            [
                ("noise", "{kind}"),
                ("damaged", "{damaged:.2f}"),
                ("NLM, best", "{nlm:.2f}"),
                ("white, best", "{white:.2f}"),
                ("restore", "{restore:.2f}"),
                ("told", lambda row: f"{row['told']:.2f}" if "told" in row else ""),
                ("over NLM", lambda row: f"{row['restore'] - row['nlm']:+.2f}"),
                ("over white", lambda row: f"{row['restore'] - row['white']:+.2f}"),
                ("worst over NLM", "{least:+.2f}"),
                ("level, true", "{true:.1f}"),
                ("estimated", "{estimated:.1f}"),
                ("scatter", "{error:.1f}"),
            ],
            [*lines, mean | {"kind": "mean of the noisy"}],
        )
    ]


if __name__ == "__main__":
    main()
