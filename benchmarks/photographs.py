"""Every method on photographs, task by task: PSNR, SSIM and time against evaluations of the prior.

    python benchmarks/photographs.py --data FOLDER --results FILE.jsonl     # measures what FILE does not hold yet: hours
    python benchmarks/photographs.py --results FILE.jsonl --table [--into docs/photographs.md]

One sample, the mean of several and point estimates are different answers, so each has a column: a sample is worth up to 3 dB
less than the posterior mean, by theory. Masks count filled pixels alone. Times are processor seconds of one answer with one
thread; compare them within one table. Methods that differentiate through the network take 3 to 20 times as long an
evaluation; they are measured on fewer pictures and budgets, and the column `pictures` says on how many.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from exactness import write
from kornia.metrics import ssim
from torch import Tensor

from restore import Restorer, plugins
from restore.errors import OperatorError
from restore.guidance import Guidance
from restore.operators import Downsample, GrayWithHints, Identity, Mask
from restore.options import build
from restore.problem import Problem
from restore.solve import plan, solve

SAMPLER = "denoising-samples"
FORWARD = ("denoising", "denoising:averaged=1", "pnp", SAMPLER, "ddnm", "ddrm", "diffpir", "repaint", "daps")
WIDE = ("pnp", SAMPLER, "ddnm", "ddrm")  # Measured on every picture.
GRADIENT = ("pigdm", "dps", "mmps")
BUDGETS = (5, 10, 20, 50, 100)
FEW, SEVERAL = 4, 16  # Pictures of the dear rows; samples whose mean is looked at.
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


def crops(folder: Path, count: int, size: int) -> list[Tensor]:
    """(1, 3, size, size) in [-1, 1]: the middle of pictures spread evenly over a folder."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".png", ".jpg", ".bmp"})
    chosen = [paths[index * len(paths) // count] for index in range(count)]
    found = []
    for path in chosen:
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
        for method in FORWARD:
            if method.startswith("denoising") and (method != SAMPLER or not task.startswith("denoise")):
                continue
            if picture >= FEW and (steps > 50 or method not in WIDE):
                continue
            if method in ("daps", "repaint") and steps > 20:
                continue  # Several evaluations a step.
            several = SEVERAL if steps == 20 and picture < FEW and method in (SAMPLER, "ddnm") else 1
            yield Cell(task, method, steps, several)
        for method in GRADIENT:
            if picture < FEW and steps <= 20:
                yield Cell(task, method, steps)


def method_of(name: str, task: str) -> Guidance:
    """The method of a name like `tds:particles=4`; for `pnp` the task's own form of it."""
    if name == "pnp" and task.startswith("colorize"):
        colorize = plugins.load().task("colorize")
        found: Guidance = colorize.guidance(None, build(colorize.Options, hints="given"))
        return found
    name, _, arguments = name.partition(":")
    words = {key: int(value) for key, _, value in (part.partition("=") for part in filter(None, arguments.split(",")))}
    method: Guidance = plugins.load().guidance(name)(**words)
    return method


def measure(restorer: Restorer, case: Case, cell: Cell) -> dict[str, Any] | None:
    """One line of the results; None where the method refuses the task."""
    method = method_of(cell.method, case.task)
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    try:
        method.check(case.problem)
    except OperatorError:
        return None
    planned = plan(case.problem, restorer.prior, method, steps=cell.steps, largest=1024)
    hook = restorer.prior.register_forward_hook(count)
    answers, started = [], time.process_time()
    for index in range(cell.samples):
        run = solve(
            case.problem,
            restorer.prior,
            method,
            method.kernel(),
            planned,
            seed=0,
            names=[str(index)],
            device=restorer.placement.device,
        )
        *_, last = run
        assert last.done is not None
        answers.append(last.done.clamp(-1, 1))
    seconds = (time.process_time() - started) / cell.samples
    hook.remove()
    found = {
        "nfe": calls / cell.samples,
        "seconds": seconds,
        "psnr": psnr(answers[0], case),
        "ssim": float(ssim((answers[0] + 1) / 2, (case.truth + 1) / 2, 11).mean()),
    }
    for several in (4, SEVERAL):
        if cell.samples >= several:
            found[f"mean{several}"] = psnr(torch.cat(answers[:several]).mean(dim=0, keepdim=True), case)
    return found


def psnr(answer: Tensor, case: Case) -> float:
    return float(10 * torch.log10(4 / (answer - case.truth).square()[case.where].mean()))


def run(arguments: argparse.Namespace) -> None:
    restorer = Restorer.from_pretrained(arguments.prior)
    done = {(row["task"], row["method"], row["steps"], row["picture"]) for row in read(arguments.results)}
    for index, x in enumerate(crops(arguments.data, arguments.pictures, arguments.size)):
        for case in cases(x, index):
            for cell in cells(case.task, index):
                key = (cell.task, cell.method, cell.steps, index)
                if key in done:
                    continue
                found = measure(restorer, case, cell)
                row = {"prior": restorer.prior_hash, **dict(zip(("task", "method", "steps", "picture"), key, strict=True))}
                with arguments.results.open("a") as lines:
                    lines.write(json.dumps({**row, **(found or {"refused": True})}) + "\n")


def read(results: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []


def tables(rows: list[dict[str, Any]]) -> str:
    """Markdown: a table a task, a row a method and budget, means over pictures."""
    lines = []
    groups: dict[str, dict[tuple[str, int], list[dict[str, Any]]]] = {}
    for row in rows:
        if not row.get("refused"):
            groups.setdefault(row["task"], {}).setdefault((row["method"], row["steps"]), []).append(row)

    def mean(found: list[dict[str, Any]], name: str, form: str) -> str:
        values = [row[name] for row in found if name in row]
        return format(np.mean(values), form) if values else "-"

    for task, methods in groups.items():
        lines += [f"\n### {task}\n", "| method | steps | evaluations | pictures | one answer, dB | SSIM | seconds | "]
        lines[-1] += f"first {FEW} pictures: one answer | mean of 4 | mean of {SEVERAL} |"
        lines.append("|" + "---|" * 10)
        for (method, steps), found in sorted(methods.items(), key=lambda item: (order(item[0][0]), item[0][1])):
            few = [row for row in found if row["picture"] < FEW]
            lines.append(
                f"| {method} | {steps} | {mean(found, 'nfe', '.0f')} | {len(found)} | {mean(found, 'psnr', '.2f')} | "
                f"{mean(found, 'ssim', '.3f')} | {mean(found, 'seconds', '.2f')} | {mean(few, 'psnr', '.2f')} | "
                f"{mean(few, 'mean4', '.2f')} | {mean(few, f'mean{SEVERAL}', '.2f')} |"
            )
    return "\n".join(lines)


def order(method: str) -> int:
    return (*FORWARD, *GRADIENT).index(method)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--table", action="store_true", help="print the tables of what is measured")
    parser.add_argument("--into", metavar="FILE", help="a document whose tables to replace")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--prior", default="photo")
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--size", type=int, default=256)
    arguments = parser.parse_args()
    if arguments.table:
        found = tables(read(arguments.results))
        print(found)
        if arguments.into:
            write(arguments.into, [found + "\n"])
        return
    if arguments.data is None:
        parser.error("--data is needed to measure")
    run(arguments)


if __name__ == "__main__":
    main()
