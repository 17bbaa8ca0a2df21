"""Whether samples spread as much as they err: how often the true pixel lies inside the central interval of 32 samples.

    python -m benchmarks coverage --data FOLDER --results FILE.jsonl           # measures what FILE does not hold
    python -m benchmarks coverage --results FILE.jsonl --table [--plot FIGURE.png] [--into docs/reports/coverage.md]

The truth and the samples of a calibrated method are exchangeable, so the truth is above k of n samples for every k alike, and
lies between the k-th lowest and the k-th highest with probability (n + 1 - 2 k) / (n + 1), exactly. Samples are rounded to
8 bits, as the truth is, and ties are broken by chance. Middle crops of photographs the prior never saw; pixels and channels
that are not fixed by the measurement count. A line of FILE is one picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import Results, Row, arguments, by, drawing, grouped, report, table
from benchmarks.photographs.cases import Case, cases, ready
from benchmarks.pictures import crops
from restore import Restorer

SAMPLES = 32
# And their transitions.
METHODS = {"ddnm": 20, "denoising-samples": 10, "ddrm": 20, "diffpir": 20, "pigdm": 20, "mmps": 20}
METHODS |= {"pigdm:adaptive=1": 20, "tds:particles=2": 10}
PICTURES, SPREAD = 3, 6  # The first of so many spread over the folder.
TASKS = ("80 % missing", "super-resolution x4", "denoise 25")
SHOWN = (50, 80, 95)


def ranks(case: Case, samples: Tensor, seed: int) -> list[int]:
    """How many open pixels' true values lie above k samples, for k = 0 .. n."""
    rounded, truth = (((x + 1) * 127.5).round() for x in (samples.clamp(-1, 1), case.truth))
    generator = torch.Generator().manual_seed(seed)
    below, equal = (rounded < truth).sum(dim=0), (rounded == truth).sum(dim=0)
    rank = below + (torch.rand(below.shape, generator=generator) * (equal + 1)).long()
    return torch.bincount(rank[case.where[0]], minlength=len(samples) + 1).tolist()


def run(given: argparse.Namespace, results: Results) -> None:
    restorer = Restorer.from_pretrained(given.prior)
    for index, x in enumerate(crops(given.data, SPREAD, given.size)[:PICTURES]):
        for case in (case for case in cases(x, index) if case.task in TASKS):
            for name, steps in METHODS.items():
                draw = ready(restorer, case, name, steps, SAMPLES)
                if draw is not None:
                    row = {"task": case.task, "method": name, "picture": index, "steps": steps, "prior": restorer.prior_hash}
                    results.take((case.task, name, index), partial(measure, row, case, draw))


def measure(row: Row, case: Case, draw: Callable[[int], Tensor]) -> Row:
    samples = draw(0)
    error = float((samples.mean(dim=0) - case.truth[0])[case.where[0]].square().mean().sqrt())
    spread = float(samples.var(dim=0)[case.where[0]].mean().sqrt())
    return row | {"ranks": ranks(case, samples, row["picture"]), "error": error * 127.5, "spread": spread * 127.5}


def summaries(rows: list[Row]) -> list[dict[str, Any]]:
    """Errors over all pictures, by task and method, and the curve: (nominal, found) shares from the widest interval on."""
    rows = [row for row in rows if row["method"] in METHODS and row["picture"] < PICTURES]
    rows.sort(key=lambda row: (TASKS.index(row["task"]), list(METHODS).index(row["method"])))
    found = []
    for (task, method, steps), group in grouped(rows, "task", "method", "steps").items():
        histogram = np.sum([row["ranks"] for row in group], axis=0)
        n = len(histogram) - 1
        k = np.arange(1, n // 2 + 1)
        nominal, inside = (n + 1 - 2 * k) / (n + 1), np.array([histogram[j : n + 1 - j].sum() for j in k]) / histogram.sum()
        error, spread = (np.sqrt(np.mean([row[name] ** 2 for row in group])) for name in ("error", "spread"))
        row = {"task": task, "method": method, "steps": steps, "pictures": len(group), "error": error, "spread": spread}
        row |= {f"inside {share} %": 100 * np.interp(share / 100, nominal[::-1], inside[::-1]) for share in SHOWN}
        found.append(row | {"curve": (nominal, inside)})
    return found


COLUMNS = (
    *((name, f"{{{name}}}") for name in ("task", "method", "steps", "pictures")),
    ("error of the mean", "{error:.1f}"),
    ("spread", "{spread:.1f}"),
    *((f"inside {share} %", f"{{inside {share} %:.0f}} %") for share in SHOWN),
)


def plot(path: str, rows: list[Row]) -> None:
    with drawing(path, 1, len(TASKS), (13, 4.6), sharey=True) as (_, axes):
        for axis, task in zip(axes, TASKS, strict=True):
            axis.plot([0, 1], [0, 1], color="black", linewidth=1, label="calibrated")
            for row in (row for row in summaries(rows) if row["task"] == task):
                axis.plot(*row["curve"], marker=".", color=f"C{list(METHODS).index(row['method'])}", label=row["method"])
            axis.set(title=task, xlabel="share of samples in the interval", xlim=(0, 1), ylim=(0, 1))
            axis.legend(fontsize=8)
        axes[0].set_ylabel("share of true pixels inside")


def main() -> None:
    parser = arguments(__doc__, "results!", "table", "plot", "into", "data", "prior", size=128)
    report(parser, by("task", "method", "picture"), run, lambda rows: [table(COLUMNS, summaries(rows))], plot)
