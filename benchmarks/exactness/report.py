"""How far each method's answers lie from the exact posterior, where that is known in closed form.

    python -m benchmarks exactness --quick                     half a minute
    python -m benchmarks exactness                             minutes: few problems
    python -m benchmarks exactness --full --into docs/reports/exactness.md --plot docs/reports/exactness.png
                                                               the documentation, about a quarter of an hour

Proof 1 is a correlated Gaussian with a hole, proof 2 a mixture of 25 modes seen through few noisy measurements.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from statistics import fmean, stdev

import torch
from torch import Tensor

from benchmarks.exactness.methods import FLOOR, PRIOR, Row, rows
from benchmarks.exactness.problems import Case, Counted, gaussian_distances, hole, modes, sliced_distance
from benchmarks.harness import arguments, publish
from restore.engine import reverse

GAUSSIAN = ("mean err / std", "variance ratio", "W2")
SLICED = ("sliced W1",)


class Stream:
    """Noise for a batch from one generator: nothing here is compared picture by picture."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self.generator, dtype=torch.float32).to(like.dtype)


@dataclass
class Line:
    """One row of the table, as it grows problem by problem."""

    name: str
    evaluations: int = 0
    products: int = 0
    figures: list[tuple[float, ...]] = field(default_factory=list)
    seconds: float = 0.0


@torch.no_grad()
def draw(case: Case, row: Row, count: int, seed: int) -> tuple[Tensor, Counted]:
    prior = Counted(case.prior)
    if row in (FLOOR, PRIOR):
        source = case.posterior if row == FLOOR else case.prior
        return source.draw(count, torch.Generator().manual_seed(seed + 1)), prior
    problem = replace(case.problem, y=case.problem.y.float(), shape=(count, *case.problem.shape[1:]))
    row.guidance.check(problem)
    answer = case.problem.y
    for answer in reverse(problem, prior, row.guidance, row.guidance.sampler(), row.schedule(), Stream(seed)):  # noqa: B007
        pass  # Thousands of states are not worth keeping.
    return answer, prior


def table(cases: Sequence[Case], proof: int, effort: int, count: int, only: str, limit: float | None = None) -> list[Line]:
    """limit: seconds, after which no further problem is begun."""
    lines: dict[tuple[str, int], Line] = {}
    begun = time.monotonic()
    for seed, case in enumerate(cases):
        if limit is not None and time.monotonic() - begun > limit:
            break
        exact = case.posterior.draw(count, torch.Generator().manual_seed(seed))
        for row in rows(case, proof, effort):
            if only.lower() not in row.name.lower() or (row.problems is not None and seed >= row.problems):
                continue
            line = lines.setdefault((row.name, len(row.schedule()) if row.guidance else 0), Line(row.name))
            started = time.monotonic()
            samples, prior = draw(case, row, count, seed)
            line.seconds += time.monotonic() - started
            line.evaluations, line.products = prior.evaluations, prior.products
            line.figures.append(gaussian_distances(samples, case) if proof == 1 else (sliced_distance(samples, exact),))
    return list(lines.values())


def show(title: str, heads: Sequence[str], lines: Sequence[Line]) -> str:
    """Prints a table and answers it."""
    rows = [f"| method | NFE | VJP | {' | '.join(heads)} | s |", f"|---|---|---|{'---|' * len(heads)}---|"]
    for line in lines:
        cells = []
        for figures in zip(*line.figures, strict=True):
            if not all(map(isfinite, figures)):
                cells.append("not finite")
                continue
            error = f" ± {stdev(figures) / len(figures) ** 0.5:.3f}" if len(figures) > 1 else ""
            cells.append(f"{fmean(figures):.3f}{error}")
        each = line.seconds / len(line.figures)
        rows.append(f"| {line.name} | {line.evaluations} | {line.products} | {' | '.join(cells)} | {each:.1f} |")
    text = f"### {title}\n\n" + "\n".join(rows) + "\n"
    return text


def plot(path: str, tables: dict[str, list[Line]]) -> None:
    from matplotlib import pyplot

    columns = min(3, len(tables))
    height = -(-len(tables) // columns)
    figure, grid = pyplot.subplots(
        height, columns, figsize=(5 * columns, 3.6 * height + 1), squeeze=False, layout="constrained"
    )
    for axis in grid.flat[len(tables) :]:
        axis.set_visible(False)
    names = list(dict.fromkeys(line.name for lines in tables.values() for line in lines if line.evaluations))
    styles = {name: {"color": pyplot.cm.tab20(n % 20), "marker": "os^vD<>"[n % 7]} for n, name in enumerate(names)}
    for axis, (title, lines) in zip(grid.flat, tables.items(), strict=False):
        for name in names:
            points = sorted((line.evaluations, fmean(f[-1] for f in line.figures)) for line in lines if line.name == name)
            if points:
                axis.plot(*zip(*points, strict=True), label=name, markersize=4, **styles[name])
        for line in lines:
            if line.name == FLOOR.name:
                axis.axhline(fmean(f[-1] for f in line.figures), color="black", linestyle=":", label=line.name)
        axis.set(title=title, xlabel="evaluations of the prior", ylabel="distance to the posterior", xscale="log", yscale="log")
    legend = {label: handle for axis in grid.flat for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=6, fontsize=8)
    figure.savefig(path, dpi=80)


def main(words: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__, "quick", "only", "into", "plot")
    parser.add_argument("--full", action="store_true", help="12 mixtures of 300 samples (d = 8) and of 100 (80), 1 of 60 (800)")
    parser.add_argument("--proof", choices=["1", "2"], help="one of the two")
    parser.add_argument("--size", type=int, choices=[8, 80, 800], help="one size of proof 2")
    parser.add_argument("--problems", type=int, help="measurements or mixtures of each table")
    parser.add_argument("--count", type=int, help="samples of each")
    parser.add_argument("--minutes", type=float, help="stop beginning new problems of a table after so long")
    given = parser.parse_args(words)
    effort = 0 if given.quick else 2 if given.full else 1
    limit = given.minutes and 60 * given.minutes
    tables, texts = {}, []
    if given.proof != "2":
        problems, count = _asked(given, ((2, 1000), (2, 1000), (3, 1000))[effort])
        cases = [hole(seed) for seed in range(problems)]
        tables["Gaussian with a hole"] = table(cases, 1, effort, count, given.only, limit)
        title = f"Proof 1: {problems} measurements, {count} samples each"
        texts.append(show(title, GAUSSIAN, tables["Gaussian with a hole"]))
    sizes = {8: ((3, 300), (4, 300), (12, 300)), 80: ((1, 100), (3, 100), (12, 100)), 800: ((0, 0), (0, 0), (1, 60))}
    for size, efforts in sizes.items() if given.proof != "1" else ():
        if given.size not in (None, size) or (efforts[effort] == (0, 0) and given.size is None):
            continue
        problems, count = _asked(given, efforts[effort])
        for measured in (1, 4):
            title = f"d = {size}, {measured} measurement{'s' if measured > 1 else ''}"
            cases = [modes(seed, size, measured) for seed in range(problems)]
            tables[title] = table(cases, 2, effort, count, given.only, limit)
            done = max((len(line.figures) for line in tables[title]), default=0)
            head = f"Proof 2: {title}; {done} problem{'s' if done > 1 else ''}, {count} samples each"
            texts.append(show(head, SLICED, tables[title]))
    publish(texts, given.into)
    if given.plot:
        plot(given.plot, tables)


def _asked(given: argparse.Namespace, usual: tuple[int, int]) -> tuple[int, int]:
    return given.problems or usual[0], given.count or usual[1]
