"""How often an earlier compression of a JPEG is found, and how often one is found that never was.

Pictures are the folder's in colour, saved by Pillow (4:2:0) at a first quality and again at a second; `cut` takes 3 rows and 5
columns off in between, so that grids differ. A first quality of 0 is none. A quality counts as right within 3.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.harness import Results, arguments, by, grouped, report, table
from benchmarks.pictures import paths
from restore.compression import earlier_compression
from restore.images import as_picture

PAIRS = [(0, 60), (0, 75), (0, 90), (50, 75), (75, 90), (60, 95), (90, 75), (75, 60)]
CUT = [(30, 90), (50, 95)]
NEAR = 3
key = by("picture", "first", "second", "cut")


def main() -> None:
    parser = arguments(__doc__, "data", "results", "table", "into", "every", "quick")
    report(parser, key, measure, tables)


def measure(given: argparse.Namespace, results: Results) -> None:
    cases = [(*pair, False) for pair in PAIRS] + [(*pair, True) for pair in CUT]
    for path in paths(given.data)[:: given.every]:
        for first, second, cut in cases[::4] if given.quick else cases:
            results.take((path.stem, first, second, cut), lambda: one(path, first, second, cut))  # noqa: B023 - called at once


def one(path: Path, first: int, second: int, cut: bool) -> dict[str, Any]:
    """What is found of a picture."""
    image = Image.open(path).convert("RGB")
    if first:
        image = saved(image, first)
    if cut:
        image = image.crop((5, 3, *image.size))
    picture = as_picture(saved(image, second))
    assert picture.jpeg is not None
    cells = picture.jpeg.cells()
    assert cells is not None
    found = earlier_compression(picture.pixels, cells)
    row = {"picture": path.stem, "first": first, "second": second, "cut": cut}
    return row | {"found": found and found.quality, "same_grid": found and found.same_grid}


def saved(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue()))


def tables(rows: list[Any]) -> list[str]:
    lines = []
    for (first, second, cut), of_case in grouped(rows, "first", "second", "cut").items():
        found = [row for row in of_case if row["found"] is not None]
        right = sum(abs(row["found"] - first) <= NEAR and row["same_grid"] != cut for row in found)
        line = {"first": first or "none", "second": second, "grid": "another" if cut else "same" if first else ""}
        lines.append(line | {"count": len(of_case), "found": len(found), "right": right if first else ""})
    heads = ("first quality", "last", "grid", "pictures", "found", "quality and grid right")
    return [
        table(
            [
                (head, f"{{{name}}}")
                for head, name in zip(heads, ("first", "second", "grid", "count", "found", "right"), strict=True)
            ],
            lines,
        )
    ]


if __name__ == "__main__":
    main()
