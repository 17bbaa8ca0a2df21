"""How well scratches and dust are found: precision and recall on simulated damage, and what is marked on whole photographs.

    python -m benchmarks scratches --data FOLDER --results scratches.jsonl [--count 20]
    python -m benchmarks scratches --results scratches.jsonl --table [--into docs/reports/scratches.md]

Damage is that of `restore.training.scratches.damage`, seeded by the picture's number; every other picture is gray. "grain"
adds noise of 8 grey levels, correlated over a pixel, before the damage, and saves as JPEG of quality 80 after it. A marked
pixel is right within 2 pixels of one that damage changed by more than 6 grey levels; recall is over those pixels, and energy is
the share of the squared change that is marked.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import Any

import cv2
import numpy as np

from benchmarks.harness import Results, Row, arguments, by, grouped, means, report, table
from benchmarks.pictures import Array, read, rounded, spread, tensor
from restore.diagnosis import find_scratches
from restore.training.scratches import damage

KINDS = ("scratches", "hairs", "specks")
CONDITIONS = ("clean", "grain")


def main() -> None:
    report(arguments(__doc__, "data", "results", "table", "into", count=20), by("picture", "condition"), measure, tables)


def measure(given: argparse.Namespace, results: Results) -> None:
    for number, path in enumerate(spread(given.data, given.count)):
        picture = read(path)
        if number % 2:
            picture = np.repeat(rounded(picture.mean(axis=2, keepdims=True)), 3, axis=2)
        for condition in CONDITIONS:
            results.take((path.stem, condition), partial(_row, path.stem, picture, condition, number))


def _row(name: str, picture: Array, condition: str, number: int) -> dict[str, Any]:
    whole = picture if condition == "clean" else _grainy(picture, number)
    damaged, kinds = damage(whole, np.random.default_rng(number))
    change = np.square(damaged.astype(np.float64) - whole).sum(axis=2)
    truth = np.any([kinds[kind] for kind in KINDS], axis=0)
    start = time.perf_counter()
    found = _found(damaged, condition)
    seconds = time.perf_counter() - start
    near = cv2.dilate(truth.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    row = {
        "picture": name,
        "condition": condition,
        "damaged": float(truth.mean()),
        "marked": float(found.mean()),
        "precision": float(near[found].mean()) if found.any() else 1.0,
        "recall": float(found[truth].mean()),
        "energy": float(change[found].sum() / change.sum()),
        "undamaged": float(_found(whole, condition).mean()),
        "seconds": round(seconds, 2),
    }
    return row | {kind: float(found[kinds[kind]].mean()) for kind in KINDS if kinds[kind].any()}


def _grainy(picture: Array, seed: int) -> Array:
    """With film grain of 8 grey levels."""
    grain = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 1, picture.shape[:2]), (0, 0), 0.7)
    return rounded(picture + (8 / grain.std() * grain)[..., None])


def _found(picture: Array, condition: str) -> np.ndarray:
    if condition == "grain":
        file = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
        picture = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), np.uint8)
    return find_scratches(tensor(picture))[0, 0].numpy()


MEANS = ("damaged", "precision", "recall", "energy", *KINDS, "undamaged", "seconds")
COLUMNS = (
    ("pictures", "{count}, {condition}"),
    ("damaged, % of pixels", lambda row: f"{100 * row['damaged']:.2f}"),
    *((name, f"{{{name}:.2f}}") for name in ("precision", "recall", "energy", *KINDS)),
    ("marked on undamaged, %", lambda row: f"{100 * row['undamaged']:.3f}"),
    ("the most", lambda row: f"{100 * row['worst']:.2f}"),
    ("seconds", "{seconds:.1f}"),
)


def tables(rows: list[Row]) -> list[str]:
    groups = [(group, max(row["undamaged"] for row in group)) for group in grouped(rows, "condition").values()]
    return [
        table(COLUMNS, [{**group[0], "count": len(group), "worst": worst, **means(group, MEANS)} for group, worst in groups])
    ]
