"""How the settings of exemplars were chosen: variants on photographs that no other figure uses.

    python -m benchmarks holes-trials --data bsds400 --lpips lpips-alex.npz --results holes-trials.jsonl [--only "64 fill"]
    python -m benchmarks holes-trials --results holes-trials.jsonl --table

The middle 256 x 256 pixels of pictures spread over the folder, with square holes in the middle. "fill" is of patches alone,
with one setting changed; "refined" goes on from it with the prior; "width" compares both kinds of fill by the hole's width,
for `auto`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.harness import Results, Row, arguments, by, grouped, markdown, means, report
from benchmarks.holes.cases import SIDE, around, square
from benchmarks.metrics import Lpips, psnr
from benchmarks.pictures import Array, middle, read, rounded, spread, tensor
from restore import Problem, Restorer, solve
from restore.exemplars import Holes, Settings
from restore.guidance import PnP
from restore.guidance.exemplars import Exemplars
from restore.operators import Mask
from restore.solving.solver import last

Method = Callable[[Restorer, Array, Array], Array]
USED = Settings()
FILLS = {
    "as used": USED,
    "no texture": replace(USED, texture=0.0),
    "texture 2": replace(USED, texture=2.0),
    "texture 8": replace(USED, texture=8.0),
    "radius 3": replace(USED, radius=3),
    "rim 1.1": replace(USED, rim=1.1),
    "rim 1.3": replace(USED, rim=1.3),
    "one round at the finest": replace(USED, rounds=(20, 12, 6, 1)),
    "all compared at two sizes more": replace(USED, all_of=50_000_000),
    "three searches a round": replace(USED, search=replace(USED.search, rounds=3)),
    "mirrored, too": replace(USED, mirrored=True),
    "its own size alone": replace(USED, scales=()),
    "enlarged copies alone": replace(USED, scales=(1.2, 1.4)),
    "a reduced copy alone": replace(USED, scales=(0.7,)),
    "a sample": replace(USED, jitter=1.0),
}
WIDTHS = (8, 12, 16, 24, 32)


def main() -> None:
    common = ("data", "prior", "results", "table", "into", "only")
    parser = arguments(__doc__, *common, count=16, lpips="lpips-alex.npz")
    report(parser, by("picture", "hole", "kind", "variant"), measure, tables)


def measure(given: argparse.Namespace, results: Results) -> None:
    distance, restorer = Lpips(Path(given.lpips)), Restorer.from_pretrained(given.prior)
    for path in spread(given.data, given.count):
        for hole, kind, variant, method in variants():
            if given.only in f"{hole} {kind} {variant}":
                key = (path.stem, hole, kind, variant)
                results.take(key, partial(_row, key, path, method, restorer, distance))


def variants() -> list[tuple[int, str, str, Method]]:
    """(hole in pixels, kind, variant, method)."""
    found: list[tuple[int, str, str, Method]] = [(64, "fill", "Telea", _telea)]
    found += [(64, "fill", name, partial(_filled, settings=settings)) for name, settings in FILLS.items()]
    for start, steps in ((0.12, 6), (0.05, 3)):
        method = PnP(sigma_start=start, sigma_end=min(0.01, start / 2))
        found.append((64, "refined", f"all of it, from {start}", partial(_refined, method=method, steps=steps)))
    found += [(64, "refined", f"rim of {rim}, from 0.35", partial(_rim, rim=rim)) for rim in (2, 4, 6)]
    for width in WIDTHS:
        found += [(width, "width", how, partial(_task, fill=how)) for how in ("smooth", "texture")]
    return found


def _telea(restorer: Restorer, picture: Array, mask: Array) -> Array:
    return np.asarray(cv2.inpaint(picture, mask, 3, cv2.INPAINT_TELEA), np.uint8)


@lru_cache(maxsize=1)
def _fill_of(picture: bytes, mask: bytes, settings: Settings) -> torch.Tensor:
    shape = (SIDE, SIDE)
    pixels = tensor(np.frombuffer(picture, np.uint8).reshape(*shape, 3).copy())
    known = torch.from_numpy(np.frombuffer(mask, np.uint8).reshape(1, 1, *shape) == 0)
    return Holes.of(pixels * known, known, 1).filled(pixels * known, 0, settings)


def _filled(restorer: Restorer, picture: Array, mask: Array, settings: Settings = USED) -> Array:
    return _array(_fill_of(picture.tobytes(), mask.tobytes(), settings), picture, mask)


def _refined(restorer: Restorer, picture: Array, mask: Array, method: PnP, steps: int) -> Array:
    start, keep = _fill_of(picture.tobytes(), mask.tobytes(), USED), torch.from_numpy(mask == 0)[None, None]
    problem = Problem(y=start * keep, operator=Mask(keep), sigma_y=0.0, shape=tuple(start.shape), start=start)
    return _array(last(solve(problem, restorer.prior, method, steps=steps)).x, picture, mask)


def _rim(restorer: Restorer, picture: Array, mask: Array, rim: int) -> Array:
    start, keep = _fill_of(picture.tobytes(), mask.tobytes(), USED), torch.from_numpy(mask == 0)[None, None]
    holes = Holes.of(tensor(picture) * keep, keep, 1)
    method = Exemplars(rim=float(rim))
    problem = Problem(y=start, operator=holes.without_wide(method.rim), sigma_y=0.0, shape=tuple(start.shape), start=start)
    return _array(last(solve(problem, restorer.prior, PnP(sigma_start=0.35, relaxation=1.8), steps=10)).x, picture, mask)


def _task(restorer: Restorer, picture: Array, mask: Array, fill: str) -> Array:
    return np.asarray(restorer("inpaint", picture, mask=mask, mask_grow=0, fill=fill).image)


def _array(x: torch.Tensor, picture: Array, mask: Array) -> Array:
    found = rounded(127.5 * (x[0].permute(1, 2, 0).numpy() + 1))
    return np.where(mask[..., None] > 0, found, picture)


def _row(key: tuple[Any, ...], path: Path, method: Method, restorer: Restorer, distance: Lpips) -> dict[str, Any]:
    truth, mask = middle(read(path), SIDE), square(key[1])
    answer, where = method(restorer, np.where(mask[..., None] > 0, 0, truth).astype(np.uint8), mask), around(mask)
    row = dict(zip(("picture", "hole", "kind", "variant"), key, strict=True))
    return row | {
        "lpips": round(distance(answer[where], truth[where]), 4),
        "psnr": round(psnr(answer, truth, mask > 0), 2),
    }


def tables(rows: list[Row]) -> list[str]:
    lines = []
    for (hole, kind, variant), group in grouped(rows, "hole", "kind", "variant").items():
        mean = means(group, ("lpips", "psnr"))
        lines.append([hole, kind, variant, len(group), f"{mean['lpips']:.4f}", f"{mean['psnr']:.2f}"])
    return [markdown(["hole", "kind", "variant", "pictures", "LPIPS", "PSNR"], lines)]
