"""Noise that is not white under a Gaussian blur of 1.6 px: film grain and a JPEG.

"restore" measures; "told" has `sigma` as it truly is, which is that of white noise.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.deblur.blurred import blurred
from benchmarks.harness import Results, arguments, by, grouped, report, table
from benchmarks.metrics import psnr
from benchmarks.pictures import paths, read, rounded
from restore import Restorer
from restore.operators import kernels

WIDTH = 1.6
key = by("picture", "noise")


def grain(picture: NDArray, seed: int, *, deviation: float = 6.0, radius: float = 1.0) -> NDArray:
    """Noise of brightness alone, smooth over a radius in pixels."""
    drawn = np.random.default_rng(seed).standard_normal(picture.shape[:2])
    drawn = cv2.GaussianBlur(drawn, (0, 0), radius)
    return rounded(picture + deviation * (drawn / drawn.std())[..., None])


def saved(picture: NDArray, seed: int, *, quality: int = 80, noise: float = 0.0) -> NDArray:
    """Decoded from a JPEG whose file is lost, after white noise came on the picture."""
    picture = picture + noise * np.random.default_rng(seed).standard_normal(picture.shape)
    file = io.BytesIO()
    Image.fromarray(rounded(picture)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


KINDS: dict[str, Callable[[NDArray, int], NDArray]] = {
    "grain 3 of 1 px": partial(grain, deviation=3.0),
    "grain 6 of 1 px": grain,
    "JPEG 80, saved as PNG": saved,
    "JPEG 50, saved as PNG": partial(saved, quality=50),
    "noise 4, JPEG 95, saved as PNG": partial(saved, quality=95, noise=4.0),
}


def main() -> None:
    report(arguments(__doc__, "data", "prior", "results", "table", "into", "only", "every"), key, measure, tables)


def measure(given: argparse.Namespace, results: Results) -> None:
    restorer = Restorer.from_pretrained(given.prior)
    for seed, path in enumerate(paths(given.data)[:: given.every]):
        for name, damage in KINDS.items():
            if given.only in name:
                results.take((path.stem, name), partial(one, restorer, path, seed, name, damage))


def one(restorer: Restorer, path: Path, seed: int, name: str, damage: Callable[[NDArray, int], NDArray]) -> dict[str, Any]:
    y, truth = blurred(read(path), kernels.gaussian(WIDTH))
    given = damage(y, seed)
    found = restorer("deblur", given, kernel=f"gaussian:{WIDTH}")
    level = found.record["found"]["sigma"]
    true = float(np.sqrt(np.square(given - y).mean()))
    told = restorer("deblur", given, kernel=f"gaussian:{WIDTH}", sigma=true).image
    figures = {"blurred": psnr(given, truth), "told": psnr(told, truth), "restore": psnr(found.image, truth)}
    figures |= {"level": level, "true": true}
    return {"picture": path.stem, "noise": name} | {word: round(value, 3) for word, value in figures.items()}


def tables(rows: list[Any]) -> list[str]:
    words = ("blurred", "told", "restore", "level", "true")
    lines = []
    for (name,), of_kind in grouped(rows, "noise").items():
        gains = [row["restore"] - row["blurred"] for row in of_kind]
        line = {"noise": name, "count": len(of_kind), "gain": np.mean(gains), "least": min(gains)}
        lines.append(line | {word: np.mean([row[word] for row in of_kind]) for word in words})
    columns = [("noise", "{noise}"), ("pictures", "{count}"), *((word, f"{{{word}:.2f}}") for word in words[:3])]
    ends = [("gain", "{gain:+.2f}"), ("at least", "{least:+.2f}"), ("level, true", "{true:.1f}"), ("assumed", "{level:.1f}")]
    return [table([*columns, *ends], lines)]


if __name__ == "__main__":
    main()
