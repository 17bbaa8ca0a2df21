"""What the task `jpeg` gains over the decoder, in PSNR, on pictures that Pillow compressed.

Gray pictures are the luma (ITU-R 601, full range) of the folder's, colour ones have 4:2:0 chroma, as Pillow saves by default.
PSNR is of that luma, for colour also over RGB, of answers rounded to 8 bits. `lost` decodes first and gives the task an array,
so that quality, grid and subsampling are estimated.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.harness import Results, arguments, by, grouped, means, report, table
from benchmarks.metrics import psnr
from benchmarks.pictures import paths
from restore import Restorer

CASES = [("gray", quality) for quality in (10, 20, 30, 40)] + [("colour", quality) for quality in (10, 20, 40)]
LOST = [("colour lost", 20)]
key = by("picture", "kind", "quality")


def main() -> None:
    parser = arguments(__doc__, "data", "prior", "results", "table", "into", "only", "every", "quick")
    report(parser, key, measure, tables)


def measure(given: argparse.Namespace, results: Results) -> None:
    restorer = Restorer.from_pretrained(given.prior)
    cases = [("gray", 10), ("gray", 40)] if given.quick else [*CASES, *LOST]
    for path in paths(given.data)[:: given.every]:
        for kind, quality in cases:
            if given.only in f"{kind} {quality}":
                results.take((path.stem, kind, quality), lambda: one(restorer, path, kind, quality))  # noqa: B023 - called at once


def one(restorer: Restorer, path: Path, kind: str, quality: int) -> dict[str, Any]:
    """The figures of a picture."""
    truth = Image.open(path).convert("L" if kind == "gray" else "RGB")
    file = io.BytesIO()
    truth.save(file, "JPEG", quality=quality)
    decoded = Image.open(io.BytesIO(file.getvalue()))
    image = np.asarray(decoded) if "lost" in kind else decoded
    started = time.perf_counter()
    answer = restorer("jpeg", image).image
    seconds = time.perf_counter() - started
    answer = Image.fromarray(answer) if isinstance(answer, np.ndarray) else answer
    row = {"picture": path.stem, "kind": kind, "quality": quality, "seconds": round(seconds, 1)}
    modes = ("L",) if kind == "gray" else ("L", "RGB")
    for mode in modes:
        for name, picture in (("decoder", decoded), ("restored", answer)):
            row[f"{name} {mode}"] = round(psnr(picture.convert(mode), truth.convert(mode)), 3)
    return row


COLUMNS = (
    ("pictures", "{kind}"),
    ("quality", "{quality}"),
    ("number", "{count}"),
    ("decoder, dB", "{decoder L:.2f}"),
    ("restored, dB", "{restored L:.2f}"),
    ("gain over Y", "{gain:+.2f}"),
    ("least gain", "{least:+.2f}"),
    ("gain over RGB", "{rgb}"),
)


def tables(rows: list[Any]) -> list[str]:
    lines = []
    cases = sorted(grouped(rows, "kind", "quality").items(), key=lambda item: (item[0][0] != "gray", item[0]))
    for (kind, quality), of_case in cases:
        line = means(of_case, (name for name in of_case[0] if name.endswith(("L", "RGB"))))
        gains = [row["restored L"] - row["decoder L"] for row in of_case]
        line |= {"kind": kind, "quality": quality, "count": len(of_case), "gain": np.mean(gains), "least": min(gains)}
        line["rgb"] = f"{line['restored RGB'] - line['decoder RGB']:+.2f}" if "restored RGB" in line else ""
        lines.append(line)
    return [table(COLUMNS, lines)]
