"""What the settings of `pnp` change, one at a time, with the bundled prior.

    python -m benchmarks photo-prior-pnp-settings --data FOLDER [--every N] [--into FILE.md]

The middle 256 x 256 pixels of every N-th picture, damaged as for `photo-prior`; PSNR over the filled pixels for masks, over all
for super-resolution. The first row of each table is what the tasks use, in dB, the others are differences from it.
Settings are to be chosen here on pictures that nothing is reported on.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

import numpy as np

from benchmarks.harness import arguments, markdown, publish
from benchmarks.metrics import psnr
from benchmarks.photo_prior.tasks import OURS, SIDE, Array, tasks
from benchmarks.pictures import middle, paths, read
from restore import Restorer
from restore.guidance.pnp import ENLARGING, FILLING, PnP

Settings = tuple[float, float, int]  # sigma_start, relaxation, transitions.


def alone(used: PnP, starts: Sequence[float], relaxations: Sequence[float]) -> list[Settings]:
    """What is used, and each change of one setting."""
    start, relaxation, steps = used.sigma_start, used.relaxation, 24
    changed = [(other, relaxation, steps) for other in starts] + [(start, other, steps) for other in relaxations]
    return [(start, relaxation, steps), *changed, *((start, relaxation, other) for other in (6, 12, 50))]


TABLES = {
    ("missing 80 %", "missing under text"): alone(FILLING, (0.2, 0.5, 0.8), (1, 1.4, 1.95)),
    ("super-resolution x2", "super-resolution x4"): alone(ENLARGING, (0.35, 0.5, 1.2), (1.4,)),
}


def reached(restorer: Restorer, truth: Array, seed: int, settings: Settings, wanted: Sequence[str]) -> list[float]:
    """PSNR of one picture in each of the tasks wanted."""
    start, relaxation, steps = settings
    asked = cast(Restorer, partial(restorer, guidance=f"pnp:sigma_start={start},relaxation={relaxation}", steps=steps))
    answers = {task: found for task, *found in tasks(asked, truth, seed) if task in wanted}
    return [psnr(ways[OURS](), clean, where) for ways, clean, where in (answers[task] for task in wanted)]


def main() -> None:
    given = arguments(__doc__, "data!", "prior", "every", "into").parse_args()
    restorer = Restorer.from_pretrained(given.prior)
    picked = [middle(read(path), SIDE) for path in paths(given.data)[:: given.every]]
    written = [f"{len(picked)} pictures, weights {restorer.prior_hash}; PSNR in dB\n"]
    for wanted, tried in TABLES.items():
        found = [
            np.mean([reached(restorer, picture, seed, settings, wanted) for seed, picture in enumerate(picked)], axis=0)
            for settings in tried
        ]
        shown = [[f"{mean:.2f}" for mean in found[0]], *([f"{mean:+.2f}" for mean in row - found[0]] for row in found[1:])]
        lines = [[*(f"{value:g}" for value in settings), *cells] for settings, cells in zip(tried, shown, strict=True)]
        written.append(markdown(("start", "relaxation", "steps", *wanted), lines))
    publish(written, given.into)
