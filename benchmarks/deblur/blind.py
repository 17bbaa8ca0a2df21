"""How well `deblur --kernel auto` does on shaken pictures, beside the known kernel.

Similarity is the largest normalised cross-correlation of the kernel found with the true one over all shifts. PSNR is at the
best shift of up to 8 pixels, because a kernel elsewhere explains a picture as well; it leaves out a border of 16 pixels. A
picture that `auto` leaves as it is has the blurred one's PSNR and no similarity.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.deblur.blurred import WALKS, blurred, walk, white
from benchmarks.harness import Results, arguments, by, grouped, report, table
from benchmarks.metrics import psnr
from benchmarks.pictures import paths, read, rounded, tensor
from restore import Restorer
from restore.blur.kernel import estimate_kernel, similarity
from restore.errors import PictureError
from restore.operators import kernels

SIGMAS = (0.5, 2.55)
REACH, BORDER = 8, 16
KERNELS = {**{f"walk {seed}": walk(seed) for seed in WALKS}, "gaussian 1.6": kernels.gaussian(1.6)}
key = by("picture", "kernel", "sigma")


def main() -> None:
    report(arguments(__doc__, "data", "prior", "results", "table", "into", "only", "every"), key, measure, tables)


def measure(given: argparse.Namespace, results: Results) -> None:
    restorer = Restorer.from_pretrained(given.prior)
    for seed, path in enumerate(paths(given.data)[:: given.every]):
        for sigma in SIGMAS:
            for name in KERNELS:
                if given.only in f"{name}, {sigma}":
                    results.take((path.stem, name, sigma), partial(one, restorer, path, seed, name, sigma))


def one(restorer: Restorer, path: Path, seed: int, name: str, sigma: float) -> dict[str, Any]:
    y, truth = blurred(read(path), KERNELS[name])
    given = rounded(white(y, sigma, seed))
    row: dict[str, Any] = {"picture": path.stem, "kernel": name, "sigma": sigma, "blurred": aligned(given, truth)}
    with tempfile.TemporaryDirectory() as folder:
        file, found = Path(folder) / "true.npy", Path(folder) / "found.npy"
        np.save(file, KERNELS[name].numpy())
        row["known"] = aligned(restorer("deblur", given, kernel=str(file)).image, truth)
        estimate = estimate_kernel(tensor(given))
        row["agreement"] = 0.0 if estimate is None else estimate.agreement
        try:
            row["blind"] = aligned(restorer("deblur", given, write_kernel=str(found)).image, truth)
            taken = np.load(found)
            row["similarity"] = similarity(_tensor(taken), KERNELS[name])
            row["motion"] = estimate is not None and taken.shape == tuple(estimate.kernel.shape)
        except PictureError:
            row |= {"blind": row["blurred"], "similarity": None, "motion": False}
    return {word: round(value, 3) if isinstance(value, float) else value for word, value in row.items()}


def _tensor(kernel: NDArray) -> Any:
    import torch

    return torch.from_numpy(kernel)


def aligned(answer: NDArray, truth: NDArray) -> float:
    """PSNR at the best shift."""
    inside = slice(BORDER, -BORDER)
    shifts = range(-REACH, REACH + 1)
    return max(
        psnr(np.roll(answer, (down, right), (0, 1))[inside, inside], truth[inside, inside])
        for down in shifts
        for right in shifts
    )


def tables(rows: list[Any]) -> list[str]:
    lines = []
    for (name, sigma), of_kind in sorted(grouped(rows, "kernel", "sigma").items()):
        alike = [row["similarity"] for row in of_kind if row["similarity"] is not None]
        line = {"kernel": name, "sigma": sigma, "count": len(of_kind), "left": len(of_kind) - len(alike)}
        line |= {"motion": sum(row["motion"] for row in of_kind), "similarity": np.mean(alike), "least": min(alike, default=0)}
        line["loss"] = min(row["blind"] - row["blurred"] for row in of_kind)
        lines.append(line | {word: np.mean([row[word] for row in of_kind]) for word in ("blurred", "blind", "known")})
    heads = (
        ("kernel", "{kernel}"),
        ("noise", "{sigma}"),
        ("pictures", "{count}"),
        ("taken for a motion", "{motion}"),
        ("left as they are", "{left}"),
        ("similarity", "{similarity:.2f}"),
        ("at least", "{least:.2f}"),
        ("blurred", "{blurred:.2f}"),
        ("auto", "{blind:.2f}"),
        ("known", "{known:.2f}"),
        ("auto over blurred, at least", "{loss:+.2f}"),
    )
    return [table(list(heads), lines)]


if __name__ == "__main__":
    main()
