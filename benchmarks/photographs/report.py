"""Every method on photographs, task by task: PSNR, SSIM and time against evaluations of the prior.

    python -m benchmarks photographs --data FOLDER --results FILE.jsonl     # measures what FILE does not hold yet: hours
    python -m benchmarks photographs --results FILE.jsonl --table [--into docs/reports/photographs.md]

One sample, the mean of several and point estimates are different answers, so each has a column. Masks count filled pixels
alone. Work is processor time of one answer with one thread, in evaluations of the bare prior timed beside it, so that machines
can be compared. A line of FILE is one picture, or with `pictures` the mean over the first so many.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from kornia.metrics import ssim

from benchmarks.harness import Results, Row, arguments, by, grouped, report, table
from benchmarks.metrics import psnr
from benchmarks.photographs.cases import SIGMA, Case, cases, ready
from benchmarks.pictures import crops
from benchmarks.speed.timing import least, took, watched
from restore import Restorer

SAMPLER = "denoising-samples"
LONG = ("repaint", "daps")  # Several evaluations a step.
FORWARD = ("denoising", "denoising:averaged=1", "pnp", "ddnm:eta=0", SAMPLER, "ddnm", "ddrm", "diffpir", *LONG)
METHODS = (*FORWARD, "pigdm", "pigdm:adaptive=1", "dps", "mmps")
BUDGETS = (5, 10, 20, 50, 100)
SHORT = (*LONG, "ddnm:eta=0", "pigdm:adaptive=1")  # To 20 steps: those, and variants.
AVERAGED = {SAMPLER: 20, "ddnm": 20, "mmps": 10}  # Whose samples, and of how many steps.
FEW, SEVERAL = 4, 16  # Pictures of the dear rows; samples whose mean is looked at.


def cells(task: str) -> Iterator[tuple[str, int]]:
    """Methods and their steps."""
    if task.startswith("denoise"):
        yield from (("denoising", 1), ("denoising:averaged=1", 1))
    for steps in BUDGETS:
        for method in METHODS:
            takes_task = not method.startswith("denoising") or (method == SAMPLER and task.startswith("denoise"))
            if takes_task and not (method in SHORT and steps > 20):
                yield method, steps


def several(task: str, method: str, steps: int, picture: int) -> int:
    """How many samples to draw."""
    if picture >= FEW or AVERAGED.get(method) != steps:
        return 1
    return SEVERAL if method != "mmps" or task in ("80 % missing", "super-resolution x4") else 1


def measure(restorer: Restorer, case: Case, method: str, steps: int, samples: int) -> Row:
    """Figures of one line of the results."""
    draw = ready(restorer, case, method, steps)
    if draw is None:
        return {"refused": True}
    evaluation = partial(torch.no_grad()(restorer.prior), case.truth, SIGMA)
    evaluation()  # Warms up.
    unit, answers = least(evaluation, 3), []
    with watched(restorer.prior) as seen:
        taken = took(lambda: answers.extend(draw(index).clamp(-1, 1) for index in range(samples)))
    found = {
        "nfe": len(seen.spans) / samples,
        "work": taken.process / samples / unit,
        "psnr": psnr(answers[0], case.truth, case.where, peak=2),
        "ssim": float(ssim((answers[0] + 1) / 2, (case.truth + 1) / 2, 11).mean()),
    }
    for count in (4, SEVERAL):
        if samples >= count:
            mean = torch.cat(answers[:count]).mean(dim=0, keepdim=True)
            found[f"mean{count}"] = psnr(mean, case.truth, case.where, peak=2)
    return found


def run(given: argparse.Namespace, results: Results) -> None:
    restorer = Restorer.from_pretrained(given.prior)
    done = {(row["task"], row["method"], row["steps"], picture) for row in results.rows for picture in seen_by(row)}
    for index, x in enumerate(crops(given.data, given.pictures, given.size)):
        for case in cases(x, index):
            for method, steps in cells(case.task):
                key = (case.task, method, steps, index)
                if key in done or not re.fullmatch(given.only or ".*", f"{method} {steps}"):
                    continue
                samples = several(*key)
                row = {"prior": restorer.prior_hash, **dict(zip(("task", "method", "steps", "picture"), key, strict=True))}
                found = partial(measure, restorer, case, method, steps, samples)
                results.take(key, lambda row=row, found=found: row | found())


def seen_by(row: Row) -> range:
    """Pictures that a line of the results stands for: one, or the first so many."""
    return range(row["pictures"]) if "pictures" in row else range(row["picture"], row["picture"] + 1)


def mean(rows: list[Row], name: str, form: str) -> str:
    """Over pictures, of the rows that hold the value."""
    held = [row for row in rows if name in row]
    if not held:
        return "-"
    return format(np.average([row[name] for row in held], weights=[len(seen_by(row)) for row in held]), form)


def summary(method: str, steps: int, every: list[Row]) -> dict[str, Any]:
    """All pictures of a method and budget, and the few whose samples were averaged: fewer cannot be compared with those."""
    few = [row | {"psnr": row.get("few", row["psnr"])} for row in every if seen_by(row)[0] < FEW]
    few = few if sum(len(seen_by(row)) for row in few) >= FEW else []
    return {"method": method, "steps": steps, "every": every, "few": few}


COLUMNS = (
    ("method", "{method}"),
    ("steps", "{steps}"),
    ("evaluations", lambda row: mean(row["every"], "nfe", ".0f")),
    ("pictures", lambda row: sum(len(seen_by(one)) for one in row["every"])),
    ("one answer, dB", lambda row: mean(row["every"], "psnr", ".2f")),
    ("SSIM", lambda row: mean(row["every"], "ssim", ".3f")),
    ("work", lambda row: mean(row["every"], "work", ".0f")),
    (f"first {FEW} pictures: one answer", lambda row: mean(row["few"], "psnr", ".2f")),
    ("mean of 4", lambda row: mean(row["few"], "mean4", ".2f")),
    (f"mean of {SEVERAL}", lambda row: mean(row["few"], f"mean{SEVERAL}", ".2f")),
)


def tables(rows: list[Row]) -> list[str]:
    """A table a task, a row a method and budget."""
    texts = []
    for (task,), found in grouped((row for row in rows if not row.get("refused")), "task").items():
        groups = sorted(grouped(found, "method", "steps").items(), key=lambda group: (METHODS.index(group[0][0]), group[0][1]))
        texts.append(f"\n### {task}\n\n{table(COLUMNS, [summary(*name, every) for name, every in groups])}")
    return ["".join(texts)]


def main() -> None:
    parser = arguments(__doc__, "results!", "table", "into", "data", "prior", "only", pictures=12, size=256)
    report(parser, by("task", "method", "steps", "picture"), run, tables)
