"""What methods answer, side by side: a row a task, a column a method, one answer each, at equal numbers of transitions.

    python -m benchmarks photographs-figure samples/photos/astronaut.png docs/reports/methods.jpg --at 0,130

The tasks are those of `photographs` on the 256 x 256 pixels whose corner is `--at` (top,left); the middle 128 are shown.
Methods that refuse a task leave white.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import arguments
from benchmarks.photographs.cases import Case, cases, ready
from benchmarks.pictures import read, tensor, write
from restore import Restorer
from restore.operators import Gray
from restore.results.figures import contact_sheet

METHODS = ("pnp", "mmps", "pigdm", "dps", "ddrm", "ddnm", "diffpir", "repaint", "daps")
SIDE, SHOWN, HEAD, GAP = 256, 128, 22, 4


def middle(x: Tensor) -> Tensor:
    edge = (x.shape[-1] - SHOWN) // 2
    return x[..., edge : edge + SHOWN, edge : edge + SHOWN]


def damaged(case: Case) -> Tensor:
    """What was measured, (1, 3, H, W): small pictures enlarged without smoothing, gray ones without their hints."""
    y = Gray()(case.truth) if case.task.startswith("colorize") else case.problem.y
    return torch.nn.functional.interpolate(y.expand(-1, 3, -1, -1), case.truth.shape[-2:], mode="nearest")


def main() -> None:
    given = arguments(__doc__, "prior", picture=Path, out=Path, at="0,0", steps=20).parse_args()
    top, left = map(int, given.at.split(","))
    truth = tensor(read(given.picture)[top : top + SIDE, left : left + SIDE])
    restorer = Restorer.from_pretrained(given.prior)
    tiles = []
    for case in cases(truth, 0):
        ways = [ready(restorer, case, name, given.steps) for name in METHODS]
        row = [damaged(case), *(torch.ones_like(truth) if draw is None else draw(0) for draw in ways), truth]
        tiles += [middle(x.float().clamp(-1, 1)) for x in row]
    sheet = contact_sheet(torch.cat(tiles), gap=GAP, columns=len(METHODS) + 2)
    head = np.full((HEAD, sheet.shape[1], 3), 255, np.uint8)
    for column, name in enumerate(("given", *METHODS, "truth")):
        cv2.putText(head, name, (column * (SHOWN + GAP) + 4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    write(given.out, np.vstack([head, sheet]))
    print(given.out)
