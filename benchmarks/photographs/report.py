"""Every method on photographs, task by task: PSNR, SSIM and time against evaluations of the prior.

    python -m benchmarks photographs --data FOLDER --results FILE.jsonl     # measures what FILE does not hold yet: hours
    python -m benchmarks photographs --results FILE.jsonl --table [--into docs/reports/photographs.md]

One sample, the mean of several and point estimates are different answers, so each has a column: a sample is worth up to 3 dB
less than the posterior mean, by theory. Masks count filled pixels alone. Work is processor time of one answer with one thread,
in evaluations of the bare prior timed beside it, so that machines can be compared. Methods that differentiate through the
network take 2 to 8 times as long an evaluation. A line of FILE is one picture, or with `pictures` the mean over the first so
many; the column `pictures` says over how many a row is.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from kornia.metrics import ssim
from torch import Tensor

from benchmarks.harness import Results, arguments, publish
from benchmarks.metrics import psnr
from benchmarks.photographs.table import FEW, SEVERAL, seen, tables
from restore import Restorer, solver
from restore.errors import OperatorError
from restore.guidance import Guidance
from restore.operators import Downsample, GrayWithHints, Identity, Mask
from restore.options import build
from restore.planning.plan import make_plan
from restore.plugins import manager as plugins
from restore.problem import Problem

SAMPLER = "denoising-samples"
LONG = ("repaint", "daps")  # Several evaluations a step.
FORWARD = ("denoising", "denoising:averaged=1", "pnp", "ddnm:eta=0", SAMPLER, "ddnm", "ddrm", "diffpir", *LONG)
GRADIENT = ("pigdm", "pigdm:adaptive=1", "dps", "mmps")
BUDGETS = (5, 10, 20, 50, 100)
SHORT = (*LONG, "ddnm:eta=0", "pigdm:adaptive=1")  # To 20 steps: those, and variants.
AVERAGED = {SAMPLER: 20, "ddnm": 20, "mmps": 10}  # Whose samples, and of how many steps.
SIGMA = 25 / 127.5


@dataclass(frozen=True)
class Case:
    """One picture damaged in one way; `where` marks the pixels that count."""

    task: str
    problem: Problem
    truth: Tensor
    where: Tensor


@dataclass(frozen=True)
class Cell:
    """One measurement to take."""

    task: str
    method: str
    steps: int
    samples: int = 1


def chosen(folder: Path, count: int) -> list[Path]:
    """Pictures spread evenly over a folder."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".png", ".jpg", ".bmp"})
    return [paths[index * len(paths) // count] for index in range(count)]


def crops(folder: Path, count: int, size: int) -> list[Tensor]:
    """(1, 3, size, size) in [-1, 1]: the middle of the chosen pictures."""
    found = []
    for path in chosen(folder, count):
        picture = cv2.imread(str(path))
        assert picture is not None, path
        top, left = (picture.shape[0] - size) // 2, (picture.shape[1] - size) // 2
        rgb = np.ascontiguousarray(picture[top : top + size, left : left + size, ::-1])
        found.append(torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 127.5 - 1)
    return found


def cases(x: Tensor, seed: int) -> Iterator[Case]:
    """Every task for one picture; measurements that come as files are rounded to 8 bits."""
    shape, size = tuple(x.shape), x.shape[-1]
    rng = np.random.default_rng(seed)
    random = torch.from_numpy(rng.random((1, 1, size, size)))
    everywhere = torch.ones_like(x, dtype=torch.bool)
    keep = random >= 0.8
    yield Case("80 % missing", Problem(x * keep, Mask(keep), 0.0, shape), x, ~keep.expand_as(x))
    keep = torch.ones(1, 1, size, size, dtype=torch.bool)
    for top, left in rng.integers(0, size - 32, (4, 2)):
        keep[..., top : top + 32, left : left + 32] = False
    yield Case("holes of 32 pixels", Problem(x * keep, Mask(keep), 0.0, shape), x, ~keep.expand_as(x))
    operator = Downsample((size, size), 4)
    y = ((operator(x) + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1
    yield Case("super-resolution x4", Problem(y, operator, 0.0, shape), x, everywhere)
    noise = torch.from_numpy(rng.standard_normal(shape)).float()
    yield Case("denoise 25", Problem(x + SIGMA * noise, Identity(), SIGMA, shape), x, everywhere)
    hinted = GrayWithHints(random < 0.01)
    yield Case("colorize, 1 % hints", Problem(hinted(x), hinted, 0.0, shape), x, everywhere)


def cells(task: str, picture: int) -> Iterator[Cell]:
    if task.startswith("denoise"):
        yield Cell(task, "denoising", 1)
        yield Cell(task, "denoising:averaged=1", 1)
    for steps in BUDGETS:
        for method in (*FORWARD, *GRADIENT):
            if method.startswith("denoising") and (method != SAMPLER or not task.startswith("denoise")):
                continue
            if method in SHORT and steps > 20:
                continue
            yield Cell(task, method, steps, several(task, method, steps, picture))


def several(task: str, method: str, steps: int, picture: int) -> int:
    """How many samples to draw."""
    if picture >= FEW or AVERAGED.get(method) != steps:
        return 1
    return SEVERAL if method != "mmps" or task in ("80 % missing", "super-resolution x4") else 1


OWN = {"80": "inpaint", "holes": "inpaint", "colorize": "colorize"}  # By a task's first word.


def method_of(name: str, case: Case) -> Guidance:
    """The method of a name like `tds:particles=4`; for `pnp` the task's own form of it."""
    word = re.split("[ ,-]", case.task)[0]
    if name == "pnp" and word in OWN:
        task = plugins.load().task(OWN[word])
        given = {"hints": "given"} if word == "colorize" else {}
        own: Guidance | None = task.guidance(case.problem, build(task.Options, **given))
        if own is not None:
            return own
    name, _, arguments = name.partition(":")
    words = {key: int(value) for key, _, value in (part.partition("=") for part in filter(None, arguments.split(",")))}
    method: Guidance = plugins.load().guidance(name)(**words)
    return method


def ready(restorer: Restorer, case: Case, name: str, steps: int) -> Callable[[int], Tensor] | None:
    """Draws answer number n, (1, 3, H, W) in [-1, 1]; None where the method refuses the task."""
    method = method_of(name, case)
    try:
        method.check(case.problem)
    except OperatorError:
        return None
    plan = make_plan(case.problem, restorer.prior, method, steps=steps, device=restorer.placement.device)

    def draw(n: int) -> Tensor:
        *_, last = solver.run([replace(plan, names=(str(n),))], 0.0, 0)
        return last.result.samples.clamp(-1, 1)

    return draw


def measure(restorer: Restorer, case: Case, cell: Cell) -> dict[str, Any] | None:
    """One line of the results; None where the method refuses the task."""
    draw = ready(restorer, case, cell.method, cell.steps)
    if draw is None:
        return None
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    unit = evaluation(restorer, case.truth)
    hook = restorer.prior.register_forward_hook(count)
    started = time.process_time()
    answers = [draw(index) for index in range(cell.samples)]
    seconds = (time.process_time() - started) / cell.samples
    hook.remove()
    found = {
        "nfe": calls / cell.samples,
        "work": seconds / unit,
        "psnr": reached(answers[0], case),
        "ssim": float(ssim((answers[0] + 1) / 2, (case.truth + 1) / 2, 11).mean()),
    }
    for several in (4, SEVERAL):
        if cell.samples >= several:
            found[f"mean{several}"] = reached(torch.cat(answers[:several]).mean(dim=0, keepdim=True), case)
    return found


def evaluation(restorer: Restorer, x: Tensor, repeats: int = 3) -> float:
    """Processor seconds of one bare evaluation: the least of several, after one that warms up."""
    found = []
    with torch.no_grad():
        for _ in range(repeats + 1):
            started = time.process_time()
            restorer.prior(x, SIGMA)
            found.append(time.process_time() - started)
    return min(found[1:])


def reached(answer: Tensor, case: Case) -> float:
    """PSNR in dB over the pixels that count."""
    return psnr(answer, case.truth, case.where, peak=2)


def run(given: argparse.Namespace, results: Results) -> None:
    restorer = Restorer.from_pretrained(given.prior)
    done = {(row["task"], row["method"], row["steps"], picture) for row in results.rows for picture in seen(row)}
    for index, x in enumerate(crops(given.data, given.pictures, given.size)):
        for case in cases(x, index):
            for cell in cells(case.task, index):
                key = (cell.task, cell.method, cell.steps, index)
                if key in done or not re.fullmatch(given.only or ".*", f"{cell.method} {cell.steps}"):
                    continue
                row = {"prior": restorer.prior_hash, **dict(zip(("task", "method", "steps", "picture"), key, strict=True))}
                measured = partial(measure, restorer, case, cell)
                results.take(key, lambda row=row, measured=measured: row | (measured() or {"refused": True}))


def main() -> None:
    parser = arguments(__doc__, "results!", "table", "into", "data", "prior", "only")
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--size", type=int, default=256)
    given = parser.parse_args()
    results = Results(given.results, lambda row: (row["task"], row["method"], row["steps"], row.get("picture")))
    if given.table:
        publish([tables(results.rows, (*FORWARD, *GRADIENT)) + "\n"], given.into)
    elif given.data is None:
        parser.error("--data is needed to measure")
    else:
        run(given, results)
