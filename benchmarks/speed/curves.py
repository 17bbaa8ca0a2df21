"""How the time of a run grows with pixels, samples and evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness import Row, drawing, table
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


COLUMNS = (
    ("seconds", "{seconds:.2f}"),
    ("seconds each", lambda row: f"{row['seconds'] / row['value']:.3f}"),
    ("processor seconds each", lambda row: f"{row['process'] / row['value']:.3f}"),
)


def tables(rows: Sequence[Row]) -> str:
    texts = []
    for grows, head in HEADS.items():
        found = [row for row in rows if row["grows"] == grows]
        if not found:
            continue
        texts.append(table(((head, "{value:g}"), *COLUMNS), found))
        if len(found) > 2:
            line, process = line_of(found, "seconds"), line_of(found, "process")
            texts.append(
                f"The straight line {line.intercept:.2f} + {line.slope:.3f} x explains {100 * line.r2:.2f} % of the variance "
                f"of the seconds; that of processor seconds {100 * process.r2:.2f} %.\n"
            )
    return "\n".join(texts)


def line_of(rows: Sequence[Row], name: str) -> Line:
    return Line.through([row["value"] for row in rows], [row[name] for row in rows])


def plot(path: str, rows: Sequence[Row]) -> None:
    with drawing(path, 1, len(HEADS), (12, 3.6)) as (_, axes):
        for axis, (grows, head) in zip(axes, HEADS.items(), strict=True):
            found = sorted((row for row in rows if row["grows"] == grows), key=lambda row: row["value"])
            axis.set(xlabel=head, ylabel="seconds")
            if len(found) < 3:
                continue
            x, line = [row["value"] for row in found], line_of(found, "seconds")
            axis.plot(x, [row["seconds"] for row in found], "o")
            axis.plot(x, [line.intercept + line.slope * value for value in x], label=f"line, R² = {line.r2:.4f}")
            axis.set(xlim=(0, None), ylim=(0, None))
            axis.legend()


CURVES = Section(
    "curves",
    "### How time grows\n\n"
    "`denoise` with one evaluation over pixels, `denoising-samples` over samples and evaluations, in one process.",
    cells,
    measure,
    COLUMNS,
    tables,
)
