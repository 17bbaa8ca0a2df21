"""How much the exactness tables depend on which problems were drawn: many problems, cheap methods.

    python -m benchmarks exactness-spread [--problems 40]

Proof 1 is measured by the error of the mean in posterior standard deviations and by W2, proof 2 by sliced W1 (see
exactness.py). The last two columns are the smallest and the largest mean over five problems, of sets that share none: what a
table of five might have said.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.exactness.methods import FLOOR, PRIOR, Row, cg
from benchmarks.exactness.problems import Case, gaussian_distances, hole, modes, sliced_distance
from benchmarks.exactness.report import draw
from benchmarks.harness import arguments
from restore.guidance import DPS, MMPS, PiGDM

FEW = 5
METHODS = (
    FLOOR,
    PRIOR,
    Row("MMPS", cg(MMPS), 100),
    Row("MMPS, ancestral steps", cg(MMPS, spread=0), 100),
    Row("PiGDM", PiGDM(), 100),
    Row("PiGDM adaptive", PiGDM(adaptive=True), 100),
)


def distances(case: Case, row: Row, count: int, seed: int) -> dict[str, float]:
    samples, _ = draw(case, row, count, seed)
    if case.problem.y.numel() > 4:
        error, _, distance = gaussian_distances(samples, case)
        return {"mean err / std": error, "W2": distance}
    return {"sliced W1": sliced_distance(samples, case.posterior.draw(count, torch.Generator().manual_seed(seed)))}


def line(name: str, measure: str, figures: list[float]) -> str:
    """A row of the table."""
    found = np.array(figures)
    fives = found[: len(found) // FEW * FEW].reshape(-1, FEW).mean(axis=1)
    error = found.std(ddof=1) / len(found) ** 0.5
    shown = f"{found.mean():.3f} ± {error:.3f} | {np.median(found):.3f} | {fives.min():.3f} | {fives.max():.3f}"
    return f"| {name} | {measure} | {shown} |"


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--problems", type=int, default=40)
    parser.add_argument("--count", type=int, default=100, help="samples of each")
    given = parser.parse_args()
    if given.problems < 2 * FEW:
        parser.error(f"{2 * FEW} problems or more show a spread")
    tables = {"a hole": lambda seed: hole(seed)}
    for size, measured in ((8, 1), (8, 4), (80, 1), (80, 4)):
        tables[f"25 modes, d = {size}, {measured} measured"] = lambda seed, size=size, measured=measured: modes(
            seed, size, measured
        )
    print(f"{given.problems} problems, {given.count} samples of each\n")
    for title, make in tables.items():
        print(
            f"\n### {title}\n\n| method | measure | mean | median | least mean of {FEW} | largest |\n|---|---|---|---|---|---|"
        )
        # The norm's rule is tuned to a thousand steps.
        for row in (*METHODS, Row("DPS", DPS(zeta=0.5 if title == "a hole" else 0.1, annealed=False), 1000)):
            found: dict[str, list[float]] = {}
            for seed in range(given.problems):
                for measure, value in distances(make(seed), row, given.count, seed).items():
                    found.setdefault(measure, []).append(value)
            for measure, figures in found.items():
                print(line(row.name, measure, figures), flush=True)
