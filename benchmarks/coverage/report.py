"""Whether samples spread as much as they err: how often the true pixel lies inside the central interval of 32 samples.

    python -m benchmarks coverage --data FOLDER --results FILE.jsonl           # measures what FILE does not hold
    python -m benchmarks coverage --results FILE.jsonl --table [--plot FIGURE.png] [--into docs/reports/coverage.md]

The truth and the samples of a calibrated method are exchangeable, so the truth is above k of n samples for every k alike, and
lies between the k-th lowest and the k-th highest with probability (n + 1 - 2 k) / (n + 1), exactly. A method whose intervals
hold the truth less often is too sure of itself. Samples are rounded to 8 bits, as the truth is, and ties are broken by chance.
The widest interval of 32 holds 93.9 %; it stands under 95 %.
Middle crops of photographs the prior never saw; pixels and channels that are not fixed by the measurement count. A line of FILE
is one picture.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import Results, arguments, markdown, publish
from benchmarks.photographs.report import Case, cases, crops, method_of
from restore import Restorer, solver
from restore.errors import OperatorError
from restore.guidance import Guidance
from restore.planning.plan import make_plan

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


def coverage(histogram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(nominal, found) shares, for the central intervals from the widest to the narrowest."""
    n = len(histogram) - 1
    k = np.arange(1, n // 2 + 1)
    inside = np.array([histogram[j : n + 1 - j].sum() for j in k])
    return (n + 1 - 2 * k) / (n + 1), inside / histogram.sum()


def run(given: argparse.Namespace, results: Results) -> None:
    restorer = Restorer.from_pretrained(given.prior)
    for index, x in enumerate(crops(given.data, SPREAD, given.size)[:PICTURES]):
        for case in (case for case in cases(x, index) if case.task in TASKS):
            for name, steps in METHODS.items():
                method = method_of(name, case)
                try:
                    method.check(case.problem)
                except OperatorError:
                    continue
                measured = partial(measure, restorer, case, name, method, steps, index)
                results.take((case.task, name, index), measured)


def measure(restorer: Restorer, case: Case, name: str, method: Guidance, steps: int, index: int) -> dict[str, Any]:
    names = tuple(map(str, range(SAMPLES)))
    plan = make_plan(case.problem, restorer.prior, method, steps=steps, names=names, device=restorer.placement.device)
    *_, last = solver.run([plan], 0.0, 0)
    samples = last.result.samples
    error = float((samples.mean(dim=0) - case.truth[0])[case.where[0]].square().mean().sqrt())
    spread = float(samples.var(dim=0)[case.where[0]].mean().sqrt())
    row = {"task": case.task, "method": name, "picture": index, "steps": steps, "prior": restorer.prior_hash}
    return row | {"ranks": ranks(case, samples, index), "error": error * 127.5, "spread": spread * 127.5}


def grouped(rows: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: (TASKS.index(row["task"]), list(METHODS).index(row["method"]))):
        groups.setdefault((row["task"], row["method"]), []).append(row)
    return groups


def curve(found: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """`coverage` of a method's rows together."""
    return coverage(np.sum([row["ranks"] for row in found], axis=0))


def table(rows: list[dict[str, Any]]) -> str:
    lines = []
    for (task, method), found in grouped(rows).items():
        nominal, inside = curve(found)
        shares = [np.interp(share / 100, nominal[::-1], inside[::-1]) * 100 for share in SHOWN]
        error, spread = (np.sqrt(np.mean([row[name] ** 2 for row in found])) for name in ("error", "spread"))
        cells = [task, method, found[0]["steps"], len(found), f"{error:.1f}", f"{spread:.1f}"]
        lines.append([*cells, *(f"{share:.0f} %" for share in shares)])
    heads = ("task", "method", "steps", "pictures", "error of the mean", "spread")
    return markdown((*heads, *(f"inside {share} %" for share in SHOWN)), lines)


def plot(rows: list[dict[str, Any]], out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(TASKS), figsize=(13, 4.6), sharey=True)
    for axis, task in zip(axes, TASKS, strict=True):
        axis.plot([0, 1], [0, 1], color="black", linewidth=1, label="calibrated")
        for (its_task, method), found in grouped(rows).items():
            if its_task == task:
                axis.plot(*curve(found), marker=".", color=f"C{list(METHODS).index(method)}", label=method)
        axis.set(title=task, xlabel="share of samples in the interval", xlim=(0, 1), ylim=(0, 1))
        axis.legend(fontsize=8)
    axes[0].set_ylabel("share of true pixels inside")
    figure.tight_layout()
    figure.savefig(out, dpi=80)


def main() -> None:
    parser = arguments(__doc__, "results!", "table", "plot", "into", "data", "prior")
    parser.add_argument("--size", type=int, default=128)
    given = parser.parse_args()
    results = Results(given.results, lambda row: (row["task"], row["method"], row["picture"]))
    if given.table or given.plot:
        rows = [row for row in results.rows if row["method"] in METHODS and row["picture"] < PICTURES]
        publish([table(rows)], given.into)
        if given.plot:
            plot(rows, given.plot)
    elif given.data is None:
        parser.error("--data is needed to measure")
    else:
        run(given, results)
