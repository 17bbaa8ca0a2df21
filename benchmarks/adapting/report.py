"""What `--adapt` gains on pictures unlike photographs, and on photographs, and the time it takes.

    python -m benchmarks adapting --data bsds400 --results docs/reports/results/adapting.jsonl
    python -m benchmarks adapting --results docs/reports/results/adapting.jsonl --table --into docs/reports/adapting.md

Six pictures of 384 x 384 pixels that no camera made or that are of a microscope, and photographs of a folder. Each task is run
once with the prior as it is, and once tuned on the picture for `--steps` steps. Seconds are of one run on one machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np

from benchmarks.adapting.unlike import SIDE, pictures
from benchmarks.harness import Results, Row, arguments, by, grouped, markdown, report
from benchmarks.metrics import psnr
from benchmarks.pictures import Array, middle, read, reduced, rounded, spread
from restore import Restorer, UsageError
from restore.results.result import Result

Task = tuple[Callable[..., Result], Array | None]  # Of more keywords; and where the answer counts, bool (H, W).
NOISE = 25  # Grey levels.


def main() -> None:
    parser = arguments(__doc__, "data", "prior", "results", "table", "into", "only", steps=100, photographs=2)
    report(parser, by("picture", "task", "steps"), measure, tables)


def measure(given: argparse.Namespace, results: Results) -> None:
    restorer = Restorer.from_pretrained(given.prior)
    shown = pictures() | {f"photograph {path.stem}": middle(read(path), 320) for path in spread(given.data, given.photographs)}
    for name, truth in shown.items():
        for task, (run, where) in tasks(restorer, truth).items():
            if given.only in f"{name} {task}":
                for steps in (0, given.steps):
                    results.take((name, task, steps), partial(_row, name, task, steps, run, truth, where))


def tasks(restorer: Restorer, truth: Array) -> dict[str, Task]:
    """By name."""
    side = min(truth.shape[:2]) // 8 * 8
    noisy = rounded(truth + NOISE * np.random.default_rng(0).standard_normal(truth.shape))
    hole, strokes = np.zeros((2, *truth.shape[:2]), np.uint8)
    third = side // 3
    for top, left in ((third, third), (2 * third, third // 2)):
        hole[top : top + 32, left : left + 32] = 255
    for row in range(4):
        cv2.putText(strokes, "restore me", (10, 60 + 80 * row), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 255, 5)
    strokes[strokes > 0] = 255  # Letters have soft edges.

    def filled(mask: Array) -> Task:
        damaged = np.where(mask[..., None] > 0, 0, truth).astype(np.uint8)
        return partial(restorer, "inpaint", damaged, mask=mask, mask_grow=0, fill="smooth", name="0"), mask > 0

    return {
        "x2": (partial(restorer, "super-resolution", reduced(truth[:side, :side], 2), scale=2, name="0"), None),
        "x4": (partial(restorer, "super-resolution", reduced(truth[:side, :side], 4), scale=4, name="0"), None),
        "holes of 32 px": filled(hole),
        "text": filled(strokes),
        f"denoise {NOISE}": (partial(restorer, "denoise", noisy, sigma=NOISE, name="0"), None),
    }


def _row(name: str, task: str, steps: int, run: Callable[..., Result], truth: Array, where: Array | None) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        result = run(adapt=steps) if steps else run()
    except UsageError as refusal:
        return {"picture": name, "task": task, "steps": steps, "refused": str(refusal)}
    seconds = time.perf_counter() - began
    answer = np.asarray(result.image)
    reached = psnr(answer, truth[: answer.shape[0], : answer.shape[1]], *([] if where is None else [where]))
    row = {"picture": name, "task": task, "steps": steps, "psnr": reached, "seconds": seconds, "side": SIDE}
    print(name, task, steps, f"{reached:.2f} dB, {seconds:.0f} s", result.record.get("adapted", ""), flush=True)
    return row | ({"adapted": result.record["adapted"]} if steps else {})


def tables(rows: list[Row]) -> list[str]:
    steps = max(row["steps"] for row in rows)
    found = {(row["picture"], row["task"], row["steps"]): row for row in rows}
    names = list(dict.fromkeys(row["task"] for row in rows))
    lines = []
    for (picture,), _ in grouped(rows, "picture").items():
        cells = []
        for task in names:
            plain, tuned = found.get((picture, task, 0)), found.get((picture, task, steps))
            cells.append(_cell(plain, tuned))
        lines.append([picture, *cells])
    pairs = [(found[p, t, 0], row) for (p, t, s), row in found.items() if s == steps and "psnr" in row]
    cost = [
        [task, f"{np.mean([a['seconds'] for a, b in of]):.1f}", f"{np.mean([b['seconds'] for a, b in of]):.0f}"]
        for task in names
        if (of := [(a, b) for a, b in pairs if b["task"] == task])
    ]
    costs = "Seconds.\n\n" + markdown(["task", "as it is", f"tuned, {steps} steps"], cost)
    gains = markdown(["picture", *names], lines)
    return [f"PSNR in dB of the prior as it is, and what {steps} steps of tuning add.\n\n{gains}", costs]


def _cell(plain: Row | None, tuned: Row | None) -> str:
    if plain is None or tuned is None:
        return ""
    gain = "refused" if "refused" in tuned else f"{tuned['psnr'] - plain['psnr']:+.2f}"
    return f"{plain['psnr']:.2f} {gain}"
