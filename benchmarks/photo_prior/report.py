"""The bundled prior on pictures it never saw: denoising by one evaluation, and the tasks beside what people use instead.

    python -m benchmarks photo-prior --data FOLDER [--results FILE.jsonl] [--into docs/reports/photo-prior.md]

Denoising: noise of sigma in [0, 255] is added to whole 8-bit pictures without rounding, seeded per picture; PSNR over RGB of
one evaluation of D, clipped; the mean over the folder.
Tasks: the default guidance on the middle 256 x 256 pixels, given as 8-bit files would be; PSNR over the filled pixels for
masks, over all for the rest. All answers are point estimates. The others are in others.py.

What FILE holds is not measured again: about 40 minutes of one core for 68 pictures, a third of it the others. Figures of a
prior are kept under the hash of its weights, those of the others for good. Delete FILE when a method has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.harness import Results, arguments, publish
from benchmarks.metrics import psnr
from benchmarks.photo_prior.others import colourings, denoisers, enlargements, fills, rounded
from benchmarks.pictures import middle, pictures
from restore import Restorer
from restore.operators import Downsample

Array = NDArray[Any]
Answers = dict[str, Callable[[], Array]]
Table = dict[str, dict[str, list[float]]]
SIGMAS = (15, 25, 30, 50)
TOLD = {"right": 1.0, "20 % low": 0.8, "20 % high": 1.2}
OURS = "restore"
SIDE = 256


def denoised(restorer: Restorer, picture: Array, sigma: float, told: float, seed: int) -> Array:
    """One evaluation of D at the level `told`, of a picture with noise of `sigma`, both in grey levels."""
    noise = np.random.default_rng(seed).standard_normal(picture.shape) * sigma
    noisy = torch.from_numpy((picture + noise) / 127.5 - 1).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        clean = restorer.prior(noisy.to(restorer.placement.device), told / 127.5)
    return ((clean[0].permute(1, 2, 0).cpu().numpy() + 1) * 127.5).clip(0, 255)


def masks(size: int, seed: int) -> Iterator[tuple[str, Array]]:
    rng = np.random.default_rng(seed)
    for share in (50, 80):
        yield f"missing {share} %", (rng.random((size, size)) < share / 100) * np.uint8(255)
    text = np.zeros((size, size), np.uint8)
    for row in range(6):
        cv2.putText(text, "restore pictures", (5, 30 + 40 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 2)
    yield "missing under text", np.where(text > 127, 255, 0).astype(np.uint8)


def tasks(restorer: Restorer, truth: Array, seed: int) -> Iterator[tuple[str, Answers, Array, Array | None]]:
    """(task, ways to answer it, the truth, the pixels that count) of one square picture."""
    side = truth.shape[0]
    for name, mask in masks(side, seed):
        damaged = np.where(mask[..., None] > 0, 0, truth).astype(np.uint8)
        ours = {OURS: lambda damaged=damaged, mask=mask: restorer("inpaint", damaged, mask=mask).image}
        yield name, ours | fills(damaged, mask), truth, mask
    pixels = torch.from_numpy(truth).permute(2, 0, 1)[None].double()
    for scale in (2, 3, 4):
        fitted = side - side % scale
        small = Downsample((fitted, fitted), scale)(pixels[..., :fitted, :fitted])
        reduced = rounded(small[0].permute(1, 2, 0).numpy())
        ours = {OURS: lambda reduced=reduced, scale=scale: restorer("super-resolution", reduced, scale=scale).image}
        yield f"super-resolution x{scale}", ours | enlargements(reduced, fitted), truth[:fitted, :fitted], None
    rng = np.random.default_rng(seed)
    shown = rng.random(truth.shape[:2]) < 0.01
    hints = np.dstack([np.where(shown[..., None], truth, 0), shown * 255]).astype(np.uint8)
    gray = cv2.cvtColor(truth, cv2.COLOR_RGB2GRAY)
    ours = {OURS: lambda: restorer("colorize", np.repeat(gray[..., None], 3, 2), hints=hints).image}
    yield "colorize, 1 % hints", ours | colourings(gray, truth, shown), truth, None
    noisy = rounded(truth + rng.standard_normal(truth.shape) * 25)
    ours = {OURS: lambda: restorer("denoise", noisy, sigma=25).image}
    yield "denoise 25", ours | denoisers(noisy, 25, truth), truth, None


def cells(restorer: Restorer, picture: Array, index: int) -> Iterator[tuple[str, str, Callable[[], float]]]:
    """(task, method, how to measure its PSNR) of one picture."""
    for sigma in SIGMAS:
        for told, factor in TOLD.items():
            yield (
                f"noise {sigma}",
                told,
                lambda sigma=sigma, factor=factor: psnr(denoised(restorer, picture, sigma, factor * sigma, index), picture),
            )
    for task, answers, truth, where in tasks(restorer, middle(picture, SIDE), index):
        for method, answer in answers.items():
            yield task, method, lambda answer=answer, truth=truth, where=where: psnr(answer(), truth, where)


def of_prior(results: Results, prior: str, picked: range) -> Table:
    """Task -> method -> PSNR of the pictures picked, in their order; of this prior, and of other methods."""
    found: Table = {}
    for whose, task, method, picture, value in sorted(results.rows, key=lambda row: row[3]):
        if whose in (prior, None) and picture in picked:
            found.setdefault(task, {}).setdefault(method, []).append(value)
    return found


def report(table: Table) -> str:
    """Both tables, Markdown: means over pictures, margins with their standard error."""
    lines = ["| sigma | one evaluation | sigma told 20 % low | 20 % high | cost of the worse |", "|---|---|---|---|---|"]
    noise = [task for task in table if task.startswith("noise")]
    for task in sorted(noise, key=lambda task: int(task.split()[1])):
        right, low, high = (np.mean(table[task][told]) for told in TOLD)
        lines.append(f"| {task.split()[1]} | {right:.2f} | {low:.2f} | {high:.2f} | {max(right - min(low, high), 0):.2f} |")
    lines += ["", f"| task | {OURS} | best other | margin | all others |", "|---|---|---|---|---|"]
    for task in (task for task in table if OURS in table[task]):
        ours, others = table[task][OURS], {name: row for name, row in table[task].items() if name != OURS}
        best = max(others, key=lambda name: np.mean(others[name]))
        margin = np.subtract(ours, others[best])
        error = margin.std(ddof=1) / len(margin) ** 0.5 if len(margin) > 1 else float("nan")
        listed = ", ".join(f"{name} {np.mean(row):.2f}" for name, row in others.items())
        found = f"{np.mean(ours):.2f} | {np.mean(others[best]):.2f} ({best}) | {margin.mean():+.2f} ± {error:.2f}"
        lines.append(f"| {task} | {found} | {listed} |")
    return "\n".join(lines)


def main() -> None:
    parser = arguments(__doc__, "data!", "prior", "results", "into", "only", "every")
    given = parser.parse_args()
    restorer = Restorer.from_pretrained(given.prior)
    dtype = str(restorer.prior.effective_dtype(restorer.placement.device)).removeprefix("torch.")
    prior = f"{restorer.prior_hash} {dtype}"
    photographs = pictures(given.data)
    results = Results(given.results, lambda row: tuple(row[:-1]))
    picked = range(0, len(photographs), given.every)
    for index in picked:
        for task, method, measure in cells(restorer, photographs[index], index):
            if given.only in task:
                ours = method == OURS or method in TOLD
                key = (prior if ours else None, task, method, index)
                results.take(key, lambda key=key, measure=measure: [*key, measure()])
    said = f"{len(picked)} pictures, weights {restorer.prior_hash}, {dtype}; PSNR in dB"
    publish([f"{said}\n\n{report(of_prior(results, prior, picked))}\n"], given.into)
