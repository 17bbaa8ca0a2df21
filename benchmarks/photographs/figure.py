"""What methods answer, side by side: a row a task, a column a method, one answer each, at equal numbers of transitions.

    python -m benchmarks photographs-figure samples/photos/astronaut.png docs/reports/methods.jpg --at 0,130

The tasks are those of photographs.py on the 256 x 256 pixels whose corner is `--at` (top,left); the middle 128 are shown.
Methods that refuse a task leave white.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import arguments
from benchmarks.photographs.report import Case, cases, ready
from restore import Restorer
from restore.operators import Gray
from restore.results.figures import contact_sheet

METHODS = ("pnp", "mmps", "pigdm", "dps", "ddrm", "ddnm", "diffpir", "repaint", "daps")
SIDE, SHOWN, HEAD, GAP = 256, 128, 22, 4


def middle(x: Tensor) -> Tensor:
    edge = (x.shape[-1] - SHOWN) // 2
    return x[..., edge : edge + SHOWN, edge : edge + SHOWN]


def given(case: Case) -> Tensor:
    """What was damaged, (1, 3, H, W): small pictures enlarged without smoothing, gray ones without their hints."""
    y = Gray()(case.truth) if case.task.startswith("colorize") else case.problem.y
    return torch.nn.functional.interpolate(y.expand(-1, 3, -1, -1), case.truth.shape[-2:], mode="nearest")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--at", default="0,0", help="top,left of the 256 pixels that are damaged")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--prior", default="photo")
    given = parser.parse_args()
    loaded = cv2.imread(str(given.picture))
    if loaded is None:
        parser.error(f"{given.picture}: not a picture")
    top, left = map(int, given.at.split(","))
    rgb = np.ascontiguousarray(loaded[top : top + SIDE, left : left + SIDE, ::-1])
    truth = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 127.5 - 1
    restorer = Restorer.from_pretrained(given.prior)
    tiles = []
    for case in cases(truth, 0):
        ways = [ready(restorer, case, name, given.steps) for name in METHODS]
        row = [given(case), *(torch.ones_like(truth) if draw is None else draw(0) for draw in ways), truth]
        tiles += [middle(x.float().clamp(-1, 1)) for x in row]
    sheet = contact_sheet(torch.cat(tiles), gap=GAP, columns=len(METHODS) + 2)
    head = np.full((HEAD, sheet.shape[1], 3), 255, np.uint8)
    for column, name in enumerate(("given", *METHODS, "truth")):
        cv2.putText(head, name, (column * (SHOWN + GAP) + 4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.imwrite(str(given.out), np.vstack([head, sheet])[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    print(given.out)
