"""Photographs damaged by everything at once, restored in one solve and by one task after another.

    python -m benchmarks auto --data FOLDER --results auto.jsonl [--count 10] [--lpips lpips-alex.npz]
    python -m benchmarks auto --results auto.jsonl --table [--into docs/reports/scratches.md]

A photograph is reduced to half its size (bicubic), scratched, given white noise of 6 grey levels and saved as JPEG of quality
80. "joint" is `restore auto --scale 2`; "chained" are `inpaint --mask auto`, `denoise` and `super-resolution --scale 2` in a
row. All have their default settings.
"""

from __future__ import annotations

import argparse
import io
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.harness import Results, Row, arguments, by, grouped, means, report, table
from benchmarks.metrics import Lpips, psnr
from benchmarks.pictures import Array, noisy, read, reduced, spread, write
from restore import Restorer
from restore.training.scratches import damage

WAYS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "bicubic": (),
    "joint": (("auto", {"scale": 2, "scratches": True}),),
    "chained": (("inpaint", {"mask": "auto"}), ("denoise", {}), ("super-resolution", {"scale": 2})),
}


def main() -> None:
    parser = arguments(__doc__, "data", "results", "table", "into", "out", count=10, lpips=Path("lpips-alex.npz"))
    report(parser, by("picture", "way"), measure, tables)


def measure(given: argparse.Namespace, results: Results) -> None:
    restorer = Restorer.from_pretrained("photo")
    distance = Lpips(given.lpips)
    for number, path in enumerate(spread(given.data, given.count)):
        picture = read(path)
        truth = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
        file = damaged_file(truth, number)
        for way in WAYS:
            results.take((path.stem, way), partial(_row, restorer, distance, path.stem, truth, file, way, given.out))


def _row(
    restorer: Restorer, distance: Lpips, name: str, truth: Array, file: Image.Image, way: str, out: Path | None
) -> dict[str, Any]:
    start = time.perf_counter()
    answer = _restored(restorer, file, WAYS[way])
    seconds = round(time.perf_counter() - start, 1)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write(out / f"{name}-{way}.png", answer)
    return {"picture": name, "way": way, "psnr": psnr(answer, truth), "lpips": distance(answer, truth), "seconds": seconds}


def damaged_file(truth: Array, seed: int) -> Image.Image:
    """A JPEG of half the size."""
    scratched, _ = damage(reduced(truth, 2), np.random.default_rng(seed), 0.7)
    file = io.BytesIO()
    Image.fromarray(noisy(scratched, 6, seed)).save(file, "JPEG", quality=80)
    return Image.open(file)


def _restored(restorer: Restorer, picture: Image.Image, steps: Any) -> Array:
    found: Any = picture
    for task, options in steps:
        found = restorer(task, found, **options).image
    if not steps:
        found = picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.BICUBIC)
    return np.asarray(found.convert("RGB"))


COLUMNS = (("way", "{way}"), ("PSNR, dB", "{psnr:.2f}"), ("LPIPS", "{lpips:.3f}"), ("seconds", "{seconds:.0f}"))


def tables(rows: list[Row]) -> list[str]:
    groups = grouped(rows, "way").items()
    return [table(COLUMNS, [{"way": way, **means(group, ("psnr", "lpips", "seconds"))} for (way,), group in groups])]
