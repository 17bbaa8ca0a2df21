"""The bundled prior on pictures it never saw: denoising by one evaluation, and the tasks beside what people use instead.

    python -m benchmarks photo-prior --data FOLDER [--results FILE.jsonl] [--into docs/reports/photo-prior.md]

Denoising: noise of sigma in [0, 255] is added to whole 8-bit pictures without rounding, seeded per picture; PSNR over RGB of
one evaluation of D, clipped; the mean over the folder.
Tasks: the default guidance on the middle 256 x 256 pixels; PSNR over the filled pixels for masks, over all for the rest.

`--guidance NAME --steps N` takes another method, or other settings of one, in the tasks that `--only` picks. Settings are to be
chosen on pictures that nothing is reported on.

What FILE holds is not measured again: about 40 minutes of one core for 68 pictures, a third of it the others. Figures of a
prior are kept under the hash of its weights, those of the others for good. Delete FILE when a method has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Results, arguments, publish, table
from benchmarks.metrics import psnr
from benchmarks.photo_prior.tasks import OURS, SIDE, Array, tasks
from benchmarks.pictures import middle, paths, read
from restore import Restorer

Means = dict[str, dict[str, list[float]]]
SIGMAS = (15, 25, 30, 50)
TOLD = {"right": 1.0, "20 % low": 0.8, "20 % high": 1.2}


def denoised(restorer: Restorer, picture: Array, sigma: float, told: float, seed: int) -> Array:
    """One evaluation of D at the level `told`, of a picture with noise of `sigma`, both in grey levels."""
    noise = np.random.default_rng(seed).standard_normal(picture.shape) * sigma
    noisy = torch.from_numpy((picture + noise) / 127.5 - 1).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        clean = restorer.prior(noisy.to(restorer.placement.device), told / 127.5)
    return ((clean[0].permute(1, 2, 0).cpu().numpy() + 1) * 127.5).clip(0, 255)


Cell = tuple[str, str, Callable[[], Array], Array, Array | None]


def cells(restorer: Restorer, picture: Array, index: int, **words: Any) -> Iterator[Cell]:
    """(task, method, how to answer, the truth, the pixels that count) of one picture; `words` are options of every task."""
    for sigma in SIGMAS:
        for told, factor in TOLD.items():
            yield f"noise {sigma}", told, partial(denoised, restorer, picture, sigma, factor * sigma, index), picture, None
    for task, answers, truth, where in tasks(partial(restorer, **words), middle(picture, SIDE), index):
        for method, answer in answers.items():
            yield task, method, answer, truth, where


def of_prior(results: Results, prior: str, picked: range) -> Means:
    """Task -> method -> PSNR of the pictures picked, in their order; of this prior, and of other methods."""
    found: Means = {}
    for whose, task, method, picture, value in sorted(results.rows, key=lambda row: row[3]):
        if whose in (prior, None) and picture in picked:
            found.setdefault(task, {}).setdefault(method, []).append(value)
    return found


def told_row(sigma: str, found: dict[str, list[float]]) -> dict[str, Any]:
    right, low, high = (np.mean(found[told]) for told in TOLD)
    return {"sigma": sigma, "right": right, "low": low, "high": high, "cost": max(right - min(low, high), 0)}


def task_row(task: str, found: dict[str, list[float]]) -> dict[str, Any]:
    """Means, and the margin to the best other with its standard error."""
    others = {name: np.mean(values) for name, values in found.items() if name != OURS}
    best = max(others, key=lambda name: others[name])
    margin = np.subtract(found[OURS], found[best])
    error = margin.std(ddof=1) / len(margin) ** 0.5 if len(margin) > 1 else float("nan")
    row = {"task": task, "ours": np.mean(found[OURS]), "best": others[best], "name": best}
    listed = ", ".join(f"{name} {mean:.2f}" for name, mean in others.items())
    return row | {"margin": margin.mean(), "error": error, "others": listed}


TOLD_COLUMNS = (
    ("sigma", "{sigma}"),
    ("one evaluation", "{right:.2f}"),
    ("sigma told 20 % low", "{low:.2f}"),
    ("20 % high", "{high:.2f}"),
    ("cost of the worse", "{cost:.2f}"),
)
TASK_COLUMNS = (
    ("task", "{task}"),
    (OURS, "{ours:.2f}"),
    ("best other", "{best:.2f} ({name})"),
    ("margin", "{margin:+.2f} ± {error:.2f}"),
    ("all others", "{others}"),
)


def main() -> None:
    parser = arguments(__doc__, "data!", "prior", "results", "into", "only", "every", guidance="", steps=0)
    given = parser.parse_args()
    words = {name: value for name in ("guidance", "steps") if (value := getattr(given, name))}
    restorer = Restorer.from_pretrained(given.prior)
    dtype = str(restorer.prior.effective_dtype(restorer.placement.device)).removeprefix("torch.")
    prior = " ".join([restorer.prior_hash, dtype, *map(str, words.values())])
    photographs = paths(given.data)
    results = Results(given.results, lambda row: tuple(row[:-1]))
    picked = range(0, len(photographs), given.every)
    for index in picked:
        for task, method, answer, truth, where in cells(restorer, read(photographs[index]), index, **words):
            if given.only in task:
                ours = method == OURS or method in TOLD
                key = (prior if ours else None, task, method, index)
                results.take(key, lambda key=key, of=(answer, truth, where): [*key, psnr(of[0](), *of[1:])])
    found = of_prior(results, prior, picked)
    noise = sorted((int(task.split()[1]), methods) for task, methods in found.items() if task.startswith("noise"))
    said = f"{len(picked)} pictures, weights {restorer.prior_hash}, {dtype}; PSNR in dB"
    told = table(TOLD_COLUMNS, [told_row(*row) for row in noise])
    beside = table(TASK_COLUMNS, [task_row(task, methods) for task, methods in found.items() if OURS in methods])
    publish([f"{said}\n\n{told}\n{beside}"], given.into)
