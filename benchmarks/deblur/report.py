"""What the task `deblur` makes of blurred and noisy pictures, in PSNR, beside deconvolution by scikit-image.

The middle of pictures that were blurred whole, so that what lies beyond the border leaks in; with noise, rounded to 8 bits. The
kernels: a Gaussian of 1.6 px, seeded random walks of 17 x 17 px, as of a camera that shakes, and those of a folder of .npy
files (`--kernels`). The task is told the kernel
and measures the noise. The others get pictures continued by reflection, and those with a strength the best one by the truth,
picture by picture; `unsupervised_wiener` finds its own.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import restoration
from torch import Tensor

from benchmarks.deblur.blurred import NOISE, all_kernels, blurred, white
from benchmarks.harness import Results, arguments, by, grouped, report, table
from benchmarks.metrics import psnr
from benchmarks.pictures import paths, read, rounded
from restore import Restorer

MARGIN = 32  # Pixels of reflection around pictures for the other methods.
BALANCES, ITERATIONS = (0.003, 0.01, 0.03, 0.1, 0.3), (5, 10, 20, 40)
key = by("picture", "kernel")


def others(given: NDArray, kernel: NDArray, truth: NDArray) -> dict[str, float]:
    """PSNR of scikit-image's methods."""
    padded = np.pad(given / 255, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="reflect")

    def reached(method: Any) -> float:
        planes = [method(padded[..., i]) for i in range(3)]
        inside = np.stack(planes, axis=-1)[MARGIN:-MARGIN, MARGIN:-MARGIN]
        return psnr(rounded(255 * inside), truth)

    return {
        "Wiener": max(reached(lambda y, b=b: restoration.wiener(y, kernel, b, clip=False)) for b in BALANCES),
        "Richardson-Lucy": max(
            reached(lambda y, n=n: restoration.richardson_lucy(y, kernel, num_iter=n, clip=True)) for n in ITERATIONS
        ),
        "unsupervised Wiener": reached(lambda y: restoration.unsupervised_wiener(y, kernel, rng=0, clip=False)[0]),
    }


def main() -> None:
    report(
        arguments(__doc__, "data", "prior", "results", "table", "into", "only", "every", "quick", kernels=Path()),
        key,
        measure,
        tables,
    )


def measure(given: argparse.Namespace, results: Results) -> None:
    restorer = Restorer.from_pretrained(given.prior)
    with tempfile.TemporaryDirectory() as folder:
        for index, path in enumerate(paths(given.data)[:: given.every]):
            for name, kernel in list(all_kernels(given.kernels))[: 1 if given.quick else None]:
                if given.only in name:
                    file = Path(folder) / f"{name}.npy"
                    np.save(file, kernel.numpy())
                    results.take((path.stem, name), lambda: one(restorer, path, index, name, kernel, file))  # noqa: B023 - called at once


def one(restorer: Restorer, path: Path, seed: int, name: str, kernel: Tensor, file: Path) -> dict[str, Any]:
    """The figures of a picture."""
    y, truth = blurred(read(path), kernel)
    given = rounded(white(y, NOISE, seed))
    started = time.perf_counter()
    answer = restorer("deblur", given, kernel=str(file)).image
    row = {"picture": path.stem, "kernel": name, "seconds": round(time.perf_counter() - started, 1)}
    row |= {"blurred": psnr(given, truth), "restore": psnr(answer, truth)} | others(given, kernel.numpy(), truth)
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}


def tables(rows: list[Any]) -> list[str]:
    methods = ("blurred", "restore", "Wiener", "Richardson-Lucy", "unsupervised Wiener")
    lines = []
    for (kernel,), of_kernel in sorted(grouped(rows, "kernel").items()):
        line = {"kernel": kernel, "count": len(of_kernel)} | {
            name: np.mean([row[name] for row in of_kernel]) for name in methods
        }
        gains = [row["restore"] - max(row[name] for name in methods[2:]) for row in of_kernel]
        lines.append(line | {"margin": np.mean(gains), "least": min(gains)})
    return [
        table(
            [
                ("kernel", "{kernel}"),
                ("pictures", "{count}"),
                *((name, f"{{{name}:.2f}}") for name in methods),
                ("restore over the best other", "{margin:+.2f}"),
                ("at least", "{least:+.2f}"),
            ],
            lines,
        )
    ]


if __name__ == "__main__":
    main()
