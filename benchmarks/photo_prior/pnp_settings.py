"""What the settings of `pnp` change, one at a time, with the bundled prior.

    python -m benchmarks photo-prior-pnp-settings --data FOLDER [--every N] [--into FILE.md]

The middle 256 x 256 pixels of every N-th picture, damaged as in photo_prior.py; PSNR over the filled pixels for masks, over all
for super-resolution. The first row of each table is what the tasks use, in dB, the others are differences from it.
Settings are to be chosen here on pictures that nothing is reported on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np

from benchmarks.harness import arguments, markdown, publish
from benchmarks.metrics import psnr
from benchmarks.photo_prior.report import OURS, SIDE, Array, tasks
from benchmarks.pictures import middle, pictures
from restore import Restorer
from restore.guidance.pnp import ENLARGING, FILLING, PnP


@dataclass(frozen=True)
class Settings:
    start: float
    relaxation: float
    steps: int = 24

    def __str__(self) -> str:
        return f"{self.start:g} | {self.relaxation:g} | {self.steps}"


def alone(used: PnP, starts: Sequence[float], relaxations: Sequence[float]) -> list[Settings]:
    """What is used, and each change of one setting."""
    first = Settings(used.sigma_start, used.relaxation)
    changed = [replace(first, start=start) for start in starts]
    changed += [replace(first, relaxation=relaxation) for relaxation in relaxations]
    return [first, *changed, *(replace(first, steps=steps) for steps in (6, 12, 50))]


TABLES = {
    ("missing 80 %", "missing under text"): alone(FILLING, (0.2, 0.5, 0.8), (1, 1.4, 1.95)),
    ("super-resolution x2", "super-resolution x4"): alone(ENLARGING, (0.35, 0.5, 1.2), (1.4,)),
}


def reached(restorer: Restorer, truth: Array, seed: int, settings: Settings, wanted: Sequence[str]) -> list[float]:
    """PSNR of one picture in each of the tasks wanted."""
    words = f"pnp:sigma_start={settings.start},relaxation={settings.relaxation}"
    asked = cast(Restorer, partial(restorer, guidance=words, steps=settings.steps))
    found = {
        task: psnr(answers[OURS](), clean, where) for task, answers, clean, where in tasks(asked, truth, seed) if task in wanted
    }
    return [found[task] for task in wanted]


def main() -> None:
    given = arguments(__doc__, "data!", "prior", "every", "into").parse_args()
    restorer = Restorer.from_pretrained(given.prior)
    picked = pictures(given.data)[:: given.every]
    written = [f"{len(picked)} pictures, weights {restorer.prior_hash}; PSNR in dB\n"]
    for wanted, tried in TABLES.items():
        lines = []
        for settings in tried:
            rows = [reached(restorer, middle(picture, SIDE), seed, settings, wanted) for seed, picture in enumerate(picked)]
            means = np.mean(rows, axis=0)
            if settings == tried[0]:
                used = means
                shown = [f"{mean:.2f}" for mean in means]
            else:
                shown = [f"{mean:+.2f}" for mean in means - used]
            lines.append([settings, *shown])
        written.append(markdown(("start | relaxation | steps", *wanted), lines))
    publish(written, given.into)
