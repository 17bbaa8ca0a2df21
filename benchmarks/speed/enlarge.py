"""What enlarging 64 x 64 pixels four times takes, beside 24 plain steps of plug-and-play and Real-ESRGAN."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.harness import Row
from benchmarks.metrics import Lpips, psnr
from benchmarks.pictures import Array, middle, read, reduced, spread
from benchmarks.real.others import real_esrgan
from benchmarks.speed.sections import Cell, Found, Section, Setting
from benchmarks.speed.timing import in_turns, ratio, watched
from benchmarks.speed.timing import middle as median_of

SCALE, PICTURES = 4, 2
PLAIN = {"guidance": "pnp:sigma_start=0.8", "steps": 24}
OURS: dict[str, dict[str, Any]] = {
    "default": {},
    "--quality fast": {"quality": "fast"},
    "--fidelity 0": {"fidelity": 0.0},
    "24 plain steps": PLAIN,
    "--guidance mmps": {"guidance": "mmps"},
}
THEIRS = "Real-ESRGAN x4plus, ncnn"


def measure(setting: Setting, cell: Cell) -> Found:
    """Seconds in turns with the default, and how close and how alike the answers are; the picture is told to be exact."""
    distance = None if setting.lpips is None else Lpips(setting.lpips)
    taken, quality, alike, counted = ([], []), [], [], (0, 0)
    for path in spread(setting.held_out, cell["pictures"]):
        truth = middle(read(path), SCALE * cell["size"])
        small = reduced(truth, SCALE)
        work = _work(setting, cell["method"], small)
        if not quality:
            with watched(setting.restorer.prior) as seen:
                work()  # Warms up, too.
            counted = seen.pictures, seen.products
        goes = in_turns([work, _work(setting, "default", small)], 1)
        for some, went in zip(taken, goes, strict=True):
            some.extend(went)
        answer = np.asarray(goes[0][0].answer)
        quality.append(psnr(answer, truth))
        alike.append(distance(answer, truth) if distance is not None else float("nan"))
    found = {"nfe": counted[0], "products": counted[1]}
    found |= {"seconds": median_of(taken[0]), "process": median_of(taken[0], "process")}
    return found | {"ratio": ratio(*taken, "process"), "psnr": fmean(quality), "lpips": fmean(alike)}


def _work(setting: Setting, method: str, small: Array) -> Callable[[], Any]:
    if method == THEIRS:
        return partial(real_esrgan, small)
    call = partial(setting.restorer, "super-resolution", small, scale=SCALE, sigma=0, reduced_by="bicubic", **OURS[method])
    return lambda: call().image


def count(name: str) -> Callable[[Row], str]:
    return lambda row: "-" if row["method"] == THEIRS else str(row[name])


ENLARGE = Section(
    "enlarge",
    "### Enlarging 64 x 64 pixels four times\n\n"
    f"{PICTURES} held-out pictures, their middles reduced, told to be exact; each way in turns with the default. Seconds of "
    "processor time, and the ratio to the default's, are medians; PSNR in dB and LPIPS (Alex) are means.",
    lambda _: [{"method": name, "pictures": PICTURES, "size": 64} for name in (*OURS, THEIRS)],
    measure,
    (
        ("way", "{method}"),
        ("NFE", count("nfe")),
        ("VJP", count("products")),
        ("seconds", "{process:.2f}"),
        ("to the default", "{ratio:.2f}"),
        ("PSNR", "{psnr:.2f}"),
        ("LPIPS", "{lpips:.3f}"),
    ),
)
