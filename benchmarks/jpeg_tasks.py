"""What tasks gain, in PSNR, by taking compression for what it is, on JPEGs that Pillow saved.

`without` is the same task on the same file, to which compression is noise, or exact. Crops of 160 pixels at the picture's
middle, colour with 4:2:0 chroma, for `colorize` gray with strokes of 3 pixels every 20. PSNR over RGB of answers rounded to 8
bits, for `inpaint` over the holes alone: two squares and two bars.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

from benchmarks.harness import Results, arguments, by, grouped, report, table
from benchmarks.pictures import paths
from restore import Restorer

SIDE = 160
TASKS = ("denoise", "inpaint", "colorize")
QUALITIES = (40, 75)
key = by("picture", "task", "quality")


def main() -> None:
    parser = arguments(__doc__, "data", "prior", "results", "table", "into", "only", "every", "quick")
    report(parser, key, measure, tables)


def measure(given: argparse.Namespace, results: Results) -> None:
    restorer = Restorer.from_pretrained(given.prior)
    for path in paths(given.data)[:: given.every]:
        for quality in QUALITIES[: 1 if given.quick else None]:
            for task in TASKS:
                if given.only in f"{task} {quality}":
                    results.take((path.stem, task, quality), lambda: one(restorer, path, task, quality))  # noqa: B023 - called at once


def one(restorer: Restorer, path: Path, task: str, quality: int) -> dict[str, Any]:
    """The figures of a picture."""
    whole = Image.open(path).convert("RGB")
    left, top = (whole.width - SIDE) // 2, (whole.height - SIDE) // 2
    truth = whole.crop((left, top, left + SIDE, top + SIDE))
    file = io.BytesIO()
    (truth.convert("L") if task == "colorize" else truth).save(file, "JPEG", quality=quality)
    holes = np.zeros((SIDE, SIDE), bool)
    holes[37:61, 30:55] = holes[100:130, 95:121] = holes[20:140, 140:143] = holes[80:84, 5:85] = True
    strokes = np.zeros((SIDE, SIDE), np.uint8)
    for row in (9, 10, 11):
        for column in (9, 10, 11):
            strokes[row::20, column::20] = 255
    options: dict[str, dict[str, Any]] = {
        "denoise": {},
        "inpaint": {"mask": Image.fromarray(holes.astype(np.uint8) * 255), "mask_grow": 0, "fill": "smooth"},
        "colorize": {"hints": Image.fromarray(np.dstack([np.asarray(truth), strokes]))},
    }
    counted = holes if task == "inpaint" else np.ones_like(holes)

    def quality_of(image: Any) -> float:
        away = np.asarray(image.convert("RGB"), float) - np.asarray(truth, float)
        return round(float(10 * np.log10(255**2 / np.square(away[counted]).mean())), 3)

    def answer() -> float:
        return quality_of(restorer(task, Image.open(io.BytesIO(file.getvalue())), **options[task]).image)

    row = {"picture": path.stem, "task": task, "quality": quality, "decoder": quality_of(Image.open(file)), "with": answer()}
    with patch("restore.compression.artefacts.artefacts_of", return_value=None):
        return row | {"without": answer()}


def tables(rows: list[Any]) -> list[str]:
    lines = []
    for (task, quality), of_case in sorted(grouped(rows, "task", "quality").items()):
        gains = [row["with"] - row["without"] for row in of_case]
        line = {"task": task, "quality": quality, "count": len(of_case), "gain": np.mean(gains), "least": min(gains)}
        lines.append(line | {name: np.mean([row[name] for row in of_case]) for name in ("with", "without")})
    heads = [
        ("task", "{task}"),
        ("quality", "{quality}"),
        ("number", "{count}"),
        ("without, dB", "{without:.2f}"),
        ("with, dB", "{with:.2f}"),
        ("gain", "{gain:+.2f}"),
        ("least gain", "{least:+.2f}"),
    ]
    return [table(heads, lines)]


if __name__ == "__main__":
    main()
