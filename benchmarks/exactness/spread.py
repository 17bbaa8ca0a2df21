"""How much the exactness tables depend on which problems were drawn: many problems, cheap methods.

    python -m benchmarks exactness-spread [--problems 40]

The last two columns are the smallest and the largest mean over five problems, of sets that share none: what a table of five
might have said.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks.exactness.methods import FLOOR, PRIOR, Row, cg, norm_rule
from benchmarks.exactness.problems import hole, modes
from benchmarks.exactness.report import measured
from benchmarks.harness import arguments, publish, table
from restore.guidance import MMPS, PiGDM

FEW = 5
METHODS = (
    FLOOR,
    PRIOR,
    Row("MMPS", cg(MMPS), 100),
    Row("MMPS, ancestral steps", cg(MMPS, spread=0), 100),
    Row("PiGDM", PiGDM(), 100),
    Row("PiGDM adaptive", PiGDM(adaptive=True), 100),
)
PROBLEMS = {"a hole": (1, hole)} | {
    f"25 modes, d = {size}, {count} measured": (2, partial(modes, size=size, measured=count))
    for size in (8, 80)
    for count in (1, 4)
}
COLUMNS = (
    ("method", "{method}"),
    ("measure", "{measure}"),
    ("mean", lambda row: f"{row['found'].mean():.3f} ± {row['found'].std(ddof=1) / len(row['found']) ** 0.5:.3f}"),
    ("median", lambda row: f"{np.median(row['found']):.3f}"),
    (f"least mean of {FEW}", lambda row: f"{fives(row['found']).min():.3f}"),
    ("largest", lambda row: f"{fives(row['found']).max():.3f}"),
)


def fives(found: np.ndarray) -> np.ndarray:
    """Means over so few problems, of sets that share none."""
    return found[: len(found) // FEW * FEW].reshape(-1, FEW).mean(axis=1)


def main() -> None:
    parser = arguments(__doc__, problems=40, count=100)
    given = parser.parse_args()
    if given.problems < 2 * FEW:
        parser.error(f"{2 * FEW} problems or more show a spread")
    print(f"{given.problems} problems, {given.count} samples of each\n")
    for title, (proof, make) in PROBLEMS.items():
        methods = [*METHODS, replace(norm_rule(proof), name="DPS")]
        lines = measured([make(seed) for seed in range(given.problems)], lambda _, rows=methods: rows, given.count)
        rows = [
            {"method": line.name, "measure": name, "found": np.array([figures[name] for figures in line.figures])}
            for line in lines
            for name in line.figures[0]
            if name != "variance ratio"  # Hardly differs from problem to problem.
        ]
        publish([f"\n### {title}\n\n{table(COLUMNS, rows)}"])
