"""What super-resolution makes of small pictures as people have them, in PSNR, beside bicubic and Lanczos interpolation.

The middle 256 x 256 pixels of each picture are reduced, get white noise, are rounded, and may be saved as a JPEG (4:2:0). The
task runs with default options: it measures noise, JPEG and reduction. For clean pictures `told` is told that they are exact,
and how they were reduced. With `--lpips FILE` other ways of enlarging stand beside it, on the kinds `COMPARED`.
"""

from __future__ import annotations

import argparse
import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.enlarging_methods import Beside, methods_table
from benchmarks.harness import Results, arguments, by, grouped, report, table
from benchmarks.metrics import Lpips, psnr
from benchmarks.pictures import middle, paths, read, rounded
from restore import Restorer
from restore.operators import Downsample

SIDE = 256
key = by("picture", "kind", "method")


@dataclass(frozen=True)
class Kind:
    """How a picture was made small."""

    scale: float
    noise: float = 0.0
    quality: int | None = None
    kernel: str = "bicubic"

    @property
    def name(self) -> str:
        words = [f"x{self.scale:g}", self.kernel]
        words += [f"noise {self.noise:g}"] if self.noise else []
        words += [f"JPEG {self.quality}"] if self.quality else []
        return ", ".join(words) if len(words) > 2 else f"{', '.join(words)}, clean"


KINDS = [
    *(Kind(scale) for scale in (1.5, 2, 4)),
    *(Kind(2, kernel=kernel) for kernel in ("box", "lanczos", "gaussian:0.5", "gaussian:0.8")),
    Kind(4, kernel="box"),
    *(Kind(2, noise) for noise in (2, 4, 8)),
    *(Kind(4, noise) for noise in (4, 8)),
    *(Kind(2, 0, quality) for quality in (30, 60, 95)),
    Kind(4, 0, 30),
    Kind(2, 4, 80),
    Kind(4, 3, 60),
    Kind(2, 8, 95, "gaussian:0.5"),
]
COMPARED = [Kind(4, 3, 60), Kind(4), Kind(2, 4), Kind(2, 0, 60)]


def main() -> None:
    parser = arguments(__doc__, "data", "prior", "results", "table", "into", "out", "only", "every", "quick")
    parser.add_argument("--lpips", type=Path, metavar="FILE.npz", help="weights; compare methods on fewer kinds")
    report(parser, key, measure, tables)


def measure(given: argparse.Namespace, results: Results) -> None:
    logging.getLogger("restore").setLevel(logging.ERROR)
    restorer = Restorer.from_pretrained(given.prior)
    if given.lpips is not None:
        beside = Beside(restorer, Lpips(given.lpips), given.out)
        for kind in COMPARED:
            for index, path in enumerate(paths(given.data)[:: given.every]):
                truth = middle(read(path), SIDE)
                beside.take(results, path.stem, kind.name, small_of(truth, kind, index), truth, given.only)
        return
    for index, path in enumerate(paths(given.data)[:: given.every]):
        for kind in KINDS[:3] if given.quick else KINDS:
            if given.only in kind.name:
                results.take((path.stem, kind.name, None), lambda: one(restorer, path, index, kind))  # noqa: B023 - called at once


def small_of(truth: NDArray, kind: Kind, seed: int) -> Image.Image:
    """A small picture, as a file holds it."""
    small = tuple(round(side / kind.scale) for side in truth.shape[:2])
    x = torch.from_numpy(truth).permute(2, 0, 1)[None].double()
    y = Downsample.between(truth.shape[:2], small, kind.kernel)(x)[0].permute(1, 2, 0).numpy()
    picture = Image.fromarray(rounded(y + kind.noise * np.random.default_rng(seed).standard_normal(y.shape)))
    if kind.quality is None:
        return picture
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=kind.quality)
    return Image.open(io.BytesIO(file.getvalue()))


def one(restorer: Restorer, path: Path, seed: int, kind: Kind) -> dict[str, Any]:
    """The figures of a picture."""
    truth = middle(read(path), SIDE)
    given = small_of(truth, kind, seed)
    array = np.asarray(given)
    size = f"{SIDE}x"
    found = restorer("super-resolution", given, size=size)
    told = {}
    if not (kind.noise or kind.quality):
        exact = restorer("super-resolution", given, size=size, sigma=0, reduced_by=kind.kernel).image
        told = {"told": psnr(np.asarray(exact), truth)}
    row = {
        "picture": path.stem,
        "kind": kind.name,
        "restore": psnr(np.asarray(found.image), truth),
        **told,
        "bicubic": psnr(cv2.resize(array, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), truth),
        "Lanczos": psnr(cv2.resize(array, (SIDE, SIDE), interpolation=cv2.INTER_LANCZOS4), truth),
        "sigma": 127.5 * found.record["sigma_y"],
        "kernel": found.record.get("found", {}).get("reduced_by", ""),
    }
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}


def tables(rows: list[Any]) -> list[str]:
    names = ("bicubic", "Lanczos", "restore", "sigma")
    lines = []
    compared = [row for row in rows if "method" in row]
    for (kind,), of_kind in grouped([row for row in rows if "method" not in row], "kind").items():
        line = {"kind": kind, "count": len(of_kind)} | {name: np.mean([row[name] for row in of_kind]) for name in names}
        told = [row["told"] for row in of_kind if "told" in row]
        line["told"] = f"{np.mean(told):.2f}" if told else ""
        gains = [row["restore"] - max(row["bicubic"], row["Lanczos"]) for row in of_kind]
        kernels = [row["kernel"] for row in of_kind]
        most = max(set(kernels), key=kernels.count)
        lines.append(line | {"margin": np.mean(gains), "least": min(gains), "kernel": f"{most} ({kernels.count(most)})"})
    return [
        table(
            [
                ("small picture", "{kind}"),
                ("number", "{count}"),
                ("bicubic", "{bicubic:.2f}"),
                ("Lanczos", "{Lanczos:.2f}"),
                ("restore", "{restore:.2f}"),
                ("told what it is", "{told}"),
                ("over the better filter", "{margin:+.2f}"),
                ("at least", "{least:+.2f}"),
                ("noise found", "{sigma:.1f}"),
                ("reduction found most", "{kernel}"),
            ],
            lines,
        ),
        *([methods_table(compared)] if compared else []),
    ]


if __name__ == "__main__":
    main()
