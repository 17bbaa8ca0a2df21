"""What a run takes beside its network, and what the windows of a large picture change."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import numpy as np
import torch

from benchmarks.harness import Row, verdict
from benchmarks.metrics import psnr
from benchmarks.pictures import Array, noisy, photograph
from benchmarks.speed.sections import Cell, Found, Section, Setting
from benchmarks.speed.timing import Bare, middle, ratio, took, watched
from restore import Restorer
from restore.operators import Identity
from restore.plugins import manager as plugins
from restore.problem import Problem
from restore.tiling.layout import overlap_for, shift_at, windows

SIGMA = 25
# Transitions; the fewer, the more a run's beginning and end weigh.
FORWARD = {"ddnm": 20, "ddrm": 20, "diffpir": 20, "repaint": 12, "pnp": 20, "denoising": 1, "denoising-samples": 10}
GRADIENT = {"pigdm": 6, "dps": 6, "mmps": 2}
METHODS = {**FORWARD, **GRADIENT}


def lost(size: int) -> np.ndarray:
    """Four fifths of the pixels."""
    return np.random.default_rng(0).random((size, size)) < 0.8


def run_of(setting: Setting, task: str, method: str, steps: int, size: int) -> Callable[[Restorer], object]:
    """One call of a `Restorer`, from picture to picture: noise taken out, or four fifths of the pixels filled."""
    picture = photograph(setting.data, size, size)
    picture, own = (noisy(picture, SIGMA), {"sigma": SIGMA}) if task == "denoise" else (picture, {"mask": lost(size)})
    return lambda restorer: restorer(task, picture, guidance=method, steps=steps, **own)


def overhead(setting: Setting, cell: Cell) -> Found:
    prior, (method, size) = setting.restorer.prior, (cell["method"], cell["size"])
    steps = METHODS[method] if size <= 256 else (METHODS[method] + 1) // 2
    guidance = "repaint:jump=5,repeat=2" if method == "repaint" else method
    call = run_of(setting, "denoise" if method.startswith("denoising") else "inpaint", guidance, steps, size)
    run = partial(call, setting.restorer)
    bare = Bare.of(prior, (1, 3, size, size), setting.restorer.placement.device)
    with watched(prior) as seen:
        run()  # Warms up, too.
    alone = partial(bare.products, seen.pictures, seen.products) if seen.products else partial(bare.forwards, seen.pictures)
    alone()
    wholes, bares, parts = [], [], []
    for _ in range(setting.repeats * (3 if seen.pictures == 1 else 1)):
        with watched(prior) as again:
            started = time.perf_counter()
            wholes.append(took(run))
            spans = again.spans
        bares.append(took(alone))
        before, after = spans[0][0] - started, started + wholes[-1].wall - spans[-1][1]
        parts.append((before, again.inside, spans[-1][1] - spans[0][0] - again.inside, after))
    names = ("before", "inside", "between", "after")
    return {
        "nfe": seen.pictures,
        "products": seen.products,
        "seconds": middle(wholes),
        "ratio": ratio(wholes, bares),
        "process": ratio(wholes, bares, "process"),
        "bare": middle(bares),
        **{name: median(values) for name, values in zip(names, zip(*parts, strict=True), strict=True)},
    }


def bar(row: Row) -> float:
    """What the ratio may be at most: gradients cost more beside the network."""
    return 1.10 if row["method"] in GRADIENT else 1.05


def without_products(name: str) -> Callable[[Row], str]:
    """Milliseconds; products are neither inside nor between evaluations."""
    return lambda row: "-" if row["products"] else f"{1000 * row[name]:.0f}"


OVERHEAD = Section(
    "overhead",
    "### What a run takes beside its network\n\n"
    "A whole call of `Restorer`, from array to array, over as many calls of the network alone with the same shape, arithmetic "
    "and threads; for methods that take gradients, forwards that keep their graph and as many products through it. *Before* is "
    "all up to the first evaluation, *after* all from the last one on.",
    lambda _: [
        *({"method": method, "size": 256} for method in METHODS),
        *({"method": method, "size": 512} for method in ("ddnm", "ddrm", "diffpir", "repaint")),
    ],
    overhead,
    (
        ("method", "{method}"),
        ("pixels", "{size}²"),
        ("NFE", "{nfe}"),
        ("VJP", "{products}"),
        ("run / bare network", "{ratio:.3f}"),
        ("processor time", "{process:.3f}"),
        ("bar", lambda row: f"{bar(row):.2f}"),
        ("met", lambda row: verdict(row["ratio"], bar(row))),
        ("before, ms", lambda row: f"{1000 * row['before']:.0f}"),
        ("network, ms", without_products("inside")),
        ("between, ms", without_products("between")),
        ("after, ms", lambda row: f"{1000 * row['after']:.0f}"),
    ),
)


# Windows


def tiled(setting: Setting, cell: Cell) -> Found:
    size, restorer = cell["size"], setting.restorer
    run = run_of(setting, cell["task"], cell["guidance"], cell["steps"], size)
    small = Restorer(restorer.prior, placement=restorer.placement, tile=cell["tile"])
    whole, parts = run(restorer).image, run(small).image
    return {"psnr": psnr(parts, whole), "seam": seam(parts, whole, borders(small, cell, size))}


def borders(restorer: Restorer, cell: Cell, size: int) -> list[int]:
    """Rows on which borders between windows lay when the prior was last asked."""
    prior, tile = restorer.prior, cell["tile"]
    level = SIGMA / 127.5
    if cell["guidance"] != "denoising":
        method, shape = plugins.load().guidance(cell["guidance"])(), (1, 3, size, size)
        problem = Problem(torch.zeros(shape), Identity(), level if cell["task"] == "denoise" else 0.0, shape)
        level = float(method.schedule(prior, problem, cell["steps"])[-2])
    found = windows(size, size, tile, overlap_for(prior.context, tile), multiple=prior.multiple_of, shift=shift_at(level))
    return sorted({int(window.rows.high) for window in found if window.rows.high < size})


def seam(parts: Array, whole: Array, rows: Sequence[int]) -> float:
    """How much rougher the picture is across the borders than elsewhere, as a share: the gradient between neighbouring rows
    against that of the whole picture, at the worst border, against the same at the median row."""
    down, down_whole = (np.abs(np.diff(one.astype(np.float32), axis=0)).mean(axis=(1, 2)) for one in (parts, whole))
    change = down / down_whole
    return float(max(abs(change[row - 1] / np.median(change) - 1) for row in rows))


TILED = Section(
    "tiled",
    "### Windows against the whole\n\n"
    "The same picture through the bundled prior in windows of a side at most, and whole; and the gradient across the borders "
    "between windows of the last evaluation, against elsewhere.",
    lambda _: [
        {"task": task, "guidance": guidance, "steps": steps, "size": 1024, "tile": tile}
        for task, guidance, steps, tile in (
            ("denoise", "denoising", 1, 512),
            ("denoise", "pnp", 4, 512),
            ("denoise", "pnp", 4, 256),
            ("inpaint", "ddnm", 5, 512),
        )
    ],
    tiled,
    (
        ("task", "{task}"),
        ("method", "{guidance}"),
        ("transitions", "{steps}"),
        ("picture", "{size}²"),
        ("windows", "{tile}²"),
        ("PSNR, dB", "{psnr:.1f}"),
        ("at least 50", lambda row: verdict(row["psnr"], 50, least=True)),
        ("rougher at borders", lambda row: f"{100 * row['seam']:.2f} %"),
        ("at most 2 %", lambda row: verdict(row["seam"], 0.02)),
    ),
)
