"""What the settings of `pnp` change in deblurring, one at a time.

The middle 160 x 160 pixels of pictures that no figure is reported on, blurred by known kernels, with white noise. PSNR in dB of
what `deblur` uses, and for each change the difference from it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.deblur.blurred import blurred, walk, white
from benchmarks.harness import Results, arguments, by, grouped, markdown, report
from benchmarks.metrics import psnr
from benchmarks.pictures import paths, read, rounded
from restore import Restorer
from restore.operators import kernels

SIDE = 160
SIGMAS = (2.55, 7.65)
USED = (0.8, 1.0, 6)  # weight, sigma_start, steps.
CHANGED = (
    (1.2, 1.0, 6),
    (0.8, 0.5, 6),
    (1.2, 0.5, 6),
    *((0.8, start, 10) for start in (0.2, 0.5, 1.0)),
    *((weight, 0.5, 10) for weight in (0.23, 0.4, 1.6)),
    *((0.8, 0.5, steps) for steps in (16, 24)),
    (0.23, 0.5, 24),
)
KERNELS = {"gaussian 1.6": kernels.gaussian(1.6), "defocus 3": kernels.defocus(3), "walk 1": walk(1)}
key = by("picture", "kernel", "sigma", "weight", "start", "steps")


def main() -> None:
    report(arguments(__doc__, "data", "prior", "results", "table", "into", "every"), key, measure, tables)


def measure(given: argparse.Namespace, results: Results) -> None:
    restorer = Restorer.from_pretrained(given.prior)
    with tempfile.TemporaryDirectory() as folder:
        for seed, path in enumerate(paths(given.data)[:: given.every]):
            for name, kernel in KERNELS.items():
                file = Path(folder) / f"{name}.npy"
                np.save(file, kernel.numpy())
                y, truth = blurred(read(path), kernel, SIDE)
                for sigma in SIGMAS:
                    picture = rounded(white(y, sigma, seed))
                    for weight, start, steps in (USED, *CHANGED):
                        words = {"weight": weight, "start": start, "steps": steps}
                        row: dict[str, Any] = {"picture": path.stem, "kernel": name, "sigma": sigma} | words

                        def one(picture: Any = picture, truth: Any = truth, row: Any = row, file: Path = file) -> Any:
                            method = f"pnp:weight={row['weight']},sigma_start={row['start']}"
                            asked = {"kernel": str(file), "sigma": row["sigma"], "guidance": method, "steps": row["steps"]}
                            answer = restorer("deblur", picture, **asked).image
                            return row | {"psnr": round(psnr(answer, truth), 3)}

                        results.take(key(row), one)


def tables(rows: list[Any]) -> list[str]:
    cells = grouped(rows, "kernel", "sigma")
    lines = []
    for settings in (USED, *CHANGED):
        line = []
        for of_cell in cells.values():
            found = {(row["picture"], row["weight"], row["start"], row["steps"]): row["psnr"] for row in of_cell}
            both = [(found[(name, *USED)], found[(name, *settings)]) for name, *own in found if tuple(own) == settings]
            used, changed = np.mean(both, axis=0)
            line.append(f"{used:.2f}" if settings == USED else f"{changed - used:+.2f}")
        lines.append([*map(str, settings), *line])
    heads = [f"{kernel}, noise {sigma}" for kernel, sigma in cells]
    return [markdown(["weight", "sigma_start", "steps", *heads], lines)]


if __name__ == "__main__":
    main()
