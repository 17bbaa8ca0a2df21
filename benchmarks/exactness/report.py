"""How far each method's answers lie from the exact posterior, where that is known in closed form.

    python -m benchmarks exactness --quick                     half a minute: few problems, small budgets
    python -m benchmarks exactness --into docs/reports/exactness.md --plot docs/reports/exactness.png     a quarter of an hour
    python -m benchmarks exactness --spread 40                 how much the tables depend on which problems were drawn

Proof 1 is a correlated Gaussian with a hole, proof 2 a mixture of 25 modes seen through few noisy measurements. The spread is
of cheap methods on so many problems, 100 samples of each; its last two columns are the smallest and the largest mean over five
problems, of sets that share none: what a table of five might have said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import isfinite
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.exactness.methods import FLOOR, PRIOR, Row, cheap, rows
from benchmarks.exactness.problems import GAUSSIAN, Case, distances, hole, modes
from benchmarks.harness import arguments, drawing, publish, table
from restore.engine import reverse

HOLE, MODES = (
    "Gaussian with a hole",
    {
        f"d = {size}, {count} measurement{'s' * (count > 1)}": (size, partial(modes, size=size, measured=count))
        for size in (8, 80, 800)
        for count in (1, 4)
    },
)
# By title: the proof, its problems, and how many of them and of samples. 800 dimensions take minutes a problem.
FULL = {HOLE: (1, hole, 3, 1000)}
FULL |= {title: (2, make, *{8: (12, 300), 80: (12, 100), 800: (1, 60)}[size]) for title, (size, make) in MODES.items()}
QUICK = {HOLE: (1, hole, 2, 300)}
QUICK |= {title: (2, make, *{8: (3, 300), 80: (1, 100)}[size]) for title, (size, make) in MODES.items() if size < 800}


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
    figures: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0

    def shown(self, name: str) -> str:
        """Mean of a figure and its standard error."""
        found = [figures[name] for figures in self.figures]
        if not all(map(isfinite, found)):
            return "not finite"
        return f"{fmean(found):.3f}" + (f" ± {stdev(found) / len(found) ** 0.5:.3f}" if len(found) > 1 else "")

    @property
    def distance(self) -> float:
        return fmean(list(figures.values())[-1] for figures in self.figures)


@torch.no_grad()
def draw(case: Case, row: Row, count: int, seed: int) -> Tensor:
    if row in (FLOOR, PRIOR):
        source = case.posterior if row == FLOOR else case.prior
        return source.draw(count, torch.Generator().manual_seed(seed + 1))
    problem = replace(case.problem, y=case.problem.y.float(), shape=(count, *case.problem.shape[1:]))
    row.guidance.check(problem)
    answer = case.problem.y
    for answer in reverse(problem, case.prior, row.guidance, row.guidance.sampler(), row.schedule(), Stream(seed)):  # noqa: B007
        pass  # Thousands of states are not worth keeping.
    return answer


def measured(
    cases: Sequence[Case],
    rows_of: Callable[[Case], Iterable[Any]],
    count: int,
    only: str = "",
    draw: Callable[[Case, Any, int, int], Tensor] = draw,
) -> list[Line]:
    """Every row over all cases."""
    lines: dict[tuple[str, int], Line] = {}
    for seed, case in enumerate(cases):
        for row in rows_of(case):
            if only.lower() not in row.name.lower() or (row.problems is not None and seed >= row.problems):
                continue
            line, started = lines.setdefault((row.name, row.steps), Line(row.name)), time.monotonic()
            case.prior.evaluations = case.prior.products = 0
            samples = draw(case, row, count, seed)
            line.seconds += time.monotonic() - started
            runs = row.alone or 1
            line.evaluations, line.products = case.prior.evaluations // runs, case.prior.products // runs
            line.figures.append(distances(samples, case, seed))
    return list(lines.values())


def columns(names: Sequence[str]) -> list[tuple[str, Callable[[Line], object]]]:
    counts = [("method", lambda line: line.name), ("NFE", lambda line: line.evaluations), ("VJP", lambda line: line.products)]
    return [*counts, *((name, lambda line, name=name: line.shown(name)) for name in names)]


def show(title: str, names: Sequence[str], lines: Sequence[Line]) -> str:
    seconds = ("s", lambda line: f"{line.seconds / len(line.figures):.1f}")
    return f"### {title}\n\n{table([*columns(names), seconds], lines)}"


FIVE = 5
SPREAD = (
    ("method", "{method}"),
    ("measure", "{measure}"),
    ("mean", lambda row: f"{row['found'].mean():.3f} ± {row['found'].std(ddof=1) / len(row['found']) ** 0.5:.3f}"),
    ("median", lambda row: f"{np.median(row['found']):.3f}"),
    (f"least mean of {FIVE}", lambda row: f"{fives(row['found']).min():.3f}"),
    ("largest", lambda row: f"{fives(row['found']).max():.3f}"),
)


def fives(found: np.ndarray) -> np.ndarray:
    """Means over so few problems, of sets that share none."""
    return found[: len(found) // FIVE * FIVE].reshape(-1, FIVE).mean(axis=1)


def spread(problems: int, count: int = 100) -> Iterator[str]:
    """Of the problems that take seconds, a table each."""
    for title, (proof, make, *_) in QUICK.items():
        lines = measured([make(seed) for seed in range(problems)], lambda _, proof=proof: cheap(proof), count)
        found = [
            {"method": line.name, "measure": name, "found": np.array([figures[name] for figures in line.figures])}
            for line in lines
            for name in line.figures[0]
            if name != "variance ratio"  # Hardly differs from problem to problem.
        ]
        yield f"\n### {title}\n\n{table(SPREAD, found)}"


def plot(path: str, tables: dict[str, list[Line]]) -> None:
    width = min(3, len(tables))
    height = -(-len(tables) // width)
    names = list(dict.fromkeys(line.name for lines in tables.values() for line in lines if line.evaluations))
    with drawing(path, height, width, (5 * width, 3.6 * height + 1)) as (figure, axes):
        for axis in axes[len(tables) :]:
            axis.set_visible(False)
        for axis, (title, lines) in zip(axes, tables.items(), strict=False):
            for number, name in enumerate(names):
                points = sorted((line.evaluations, line.distance) for line in lines if line.name == name)
                if points:
                    style = {"color": f"C{number % 10}", "marker": "os^vD<>"[number % 7], "markersize": 4}
                    axis.plot(*zip(*points, strict=True), label=name, **style)
            for line in lines:
                if line.name == FLOOR.name:
                    axis.axhline(line.distance, color="black", linestyle=":", label=line.name)
            axis.set(title=title, xlabel="evaluations of the prior", ylabel="distance to the posterior")
            axis.set(xscale="log", yscale="log")
        legend = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        figure.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=6, fontsize=8)


def main() -> None:
    parser = arguments(__doc__, "quick", "only", "into", "plot", spread=0)
    given, tables, texts = parser.parse_args(), {}, []
    if given.spread:
        if given.spread < 2 * FIVE:
            parser.error(f"{2 * FIVE} problems or more show a spread")
        return publish(list(spread(given.spread)))
    for title, (proof, make, problems, count) in (QUICK if given.quick else FULL).items():
        cases = [make(seed) for seed in range(problems)]
        tables[title] = measured(cases, partial(rows, proof=proof, quick=given.quick), count, given.only)
        names, noun = (GAUSSIAN, "measurement") if proof == 1 else (["sliced W1"], "problem")
        head = f"Proof {proof}: " + (f"{title}; " if proof == 2 else "") + f"{problems} {noun}{'s' * (problems > 1)}"
        texts.append(show(f"{head}, {count} samples each", names, tables[title]))
    publish(texts, given.into)
    if given.plot:
        plot(given.plot, tables)
