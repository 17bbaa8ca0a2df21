"""How the time of a run grows with pixels, samples and evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness import markdown
from benchmarks.pictures import noisy, photograph
from benchmarks.speed.engine import SIGMA
from benchmarks.speed.sections import Cell, Found, Section, Setting
from benchmarks.speed.timing import Line, middle, took

MEGAPIXELS = (0.25, 0.5, 1, 2, 4, 8, 16)
HEADS = {"megapixels": "megapixels", "samples": "samples", "evaluations": "evaluations of the prior"}


def cells(setting: Setting) -> Iterator[Cell]:
    """The dearest last, so that a short look has the rest."""
    small = 128 if setting.quick else 256
    yield from ({"grows": "evaluations", "value": value, "size": small} for value in (5, 10, 20, 40))
    yield from ({"grows": "samples", "value": value, "size": small} for value in (1, 2, 4, 8))
    largest = 2 if setting.quick else 16
    yield from ({"grows": "megapixels", "value": value} for value in MEGAPIXELS if value <= largest)


def measure(setting: Setting, cell: Cell) -> Found:
    value, restorer = cell["value"], setting.restorer
    if cell["grows"] == "megapixels":
        width = round((value * 1e6 * 4 / 3) ** 0.5)
        picture = noisy(photograph(setting.data, round(value * 1e6 / width), width), SIGMA)
        words: dict[str, Any] = {"guidance": "denoising"}
    else:
        picture = noisy(photograph(setting.data, cell["size"], cell["size"]), SIGMA)
        evaluations, samples = (value, 1) if cell["grows"] == "evaluations" else (5, value)
        words = {"guidance": "denoising-samples", "steps": evaluations, "samples": samples}
    run = partial(restorer, "denoise", picture, sigma=SIGMA, **words)
    if value == 5 or cell["grows"] != "evaluations":  # The first of a shape warms up.
        restorer("denoise", picture[:256, :256], sigma=SIGMA)
    taken = [took(run) for _ in range(3 if value <= 2 or cell["grows"] != "megapixels" else 1)]
    return {"seconds": middle(taken), "process": middle(taken, "process"), "pixels": int(np.prod(picture.shape[:2]))}


def table(rows: Sequence[tuple[Cell, Found]]) -> str:
    texts = []
    for grows, head in HEADS.items():
        found = [(cell["value"], one) for cell, one in rows if cell["grows"] == grows]
        if not found:
            continue
        lines = [
            [f"{value:g}", f"{one['seconds']:.2f}", f"{one['seconds'] / value:.3f}", f"{one['process'] / value:.3f}"]
            for value, one in found
        ]
        texts.append(markdown((head, "seconds", "seconds each", "processor seconds each"), lines))
        if len(found) > 2:
            line = Line.through([value for value, _ in found], [one["seconds"] for _, one in found])
            each = Line.through(*zip(*((value, one["process"]) for value, one in found), strict=True))
            texts.append(
                f"The straight line {line.intercept:.2f} + {line.slope:.3f} x explains {100 * line.r2:.2f} % of the variance "
                f"of the seconds; that of processor seconds {100 * each.r2:.2f} %.\n"
            )
    return "\n".join(texts)


def plot(path: str, rows: Sequence[tuple[Cell, Found]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(HEADS), figsize=(12, 3.6), layout="constrained")
    for axis, (grows, head) in zip(axes, HEADS.items(), strict=True):
        points = sorted((cell["value"], found["seconds"]) for cell, found in rows if cell["grows"] == grows)
        axis.set(xlabel=head, ylabel="seconds")
        if len(points) < 3:
            continue
        x, y = zip(*points, strict=True)
        line = Line.through(x, y)
        axis.plot(x, y, "o")
        axis.plot(x, [line.intercept + line.slope * value for value in x], label=f"line, R² = {line.r2:.4f}")
        axis.set(xlim=(0, None), ylim=(0, None))
        axis.legend()
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


CURVES = Section(
    "curves",
    "### How time grows\n\n"
    "`denoise` with one evaluation over pixels, `denoising-samples` over samples and evaluations, in one process.",
    cells,
    measure,
    table,
)
