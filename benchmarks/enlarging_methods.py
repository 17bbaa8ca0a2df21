"""Ways to enlarge a small picture, beside each other: PSNR, SSIM and LPIPS (a part of the program `enlarging`).

Where a method has a setting, strength or noise level, the truth chooses it for the best PSNR; `restore` measures its own.
Programs that are not installed are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import kornia
import numpy as np
import torch
from PIL import Image

from benchmarks.harness import Results, grouped, means, table
from benchmarks.metrics import Lpips, psnr
from benchmarks.pictures import Array, rounded, tensor, write
from benchmarks.real.others import STRENGTHS, non_local_means, real_esrgan, waifu2x
from restore import Restorer

ENDS: dict[str, dict[str, Any]] = {"restore": {}, "restore, fidelity 0": {"fidelity": 0.0}}
OWN = ENDS | {"restore, guidance mmps": {"guidance": "mmps"}}
HALF = "restore, fidelity 0.5"
LEVELS = range(4)  # Of waifu2x.
NAMES = ("bicubic", "Lanczos", "NLM, then Lanczos", "waifu2x", "Real-ESRGAN", *ENDS, HALF, *(OWN.keys() - ENDS))
FIGURES = ("psnr", "ssim", "lpips")


class Beside:
    """Takes the figures of all methods on small pictures.

    Args:
        distance: the perceptual one.
        out: a folder for the pictures, or None.
    """

    def __init__(self, restorer: Restorer, distance: Lpips, out: Path | None) -> None:
        self.restorer, self.distance, self.out = restorer, distance, out

    def take(self, results: Results, picture: str, kind: str, given: Image.Image, truth: Array, only: str) -> None:
        """One row a method; `only` is in "{kind}: {method};" of what is wanted."""
        made: dict[str, Array] = {}
        for method in NAMES:
            if only not in f"{kind}: {method};":
                continue
            try:
                results.take((picture, kind, method), lambda: self._row(picture, kind, method, given, truth, made))  # noqa: B023 - called at once
            except ModuleNotFoundError as error:
                print(f"{method} is left out: no package {error.name}")

    def _row(
        self, picture: str, kind: str, method: str, given: Image.Image, truth: Array, made: dict[str, Array]
    ) -> dict[str, Any]:
        answer = made[method] = self._enlarged(method, given, truth, made)
        if self.out is not None:
            self.out.mkdir(parents=True, exist_ok=True)
            write(self.out / f"{kind}-{picture}-{method}.png".replace(", ", "-").replace(" ", "_"), answer)
        figures = psnr(answer, truth), ssim(answer, truth), self.distance(answer, truth)
        found = {name: round(value, 4) for name, value in zip(FIGURES, figures, strict=True)}
        return {"picture": picture, "kind": kind, "method": method, **found}

    def _enlarged(self, method: str, given: Image.Image, truth: Array, made: dict[str, Array]) -> Array:
        small, scale = np.asarray(given.convert("RGB")), round(truth.shape[0] / given.height)
        if method in OWN:
            found = self.restorer("super-resolution", given, size=f"{truth.shape[1]}x", **OWN[method])
            return np.asarray(found.image)
        if method == HALF:
            # What the task makes of it, but for rounding and clipping.
            ends = [made[end] if end in made else self._enlarged(end, given, truth, made) for end in ENDS]
            return rounded((ends[0].astype(np.float64) + ends[1]) / 2)
        if method == "NLM, then Lanczos":
            return best((lanczos(non_local_means(small, strength), truth) for strength in STRENGTHS), truth)
        if method == "waifu2x":
            return best((waifu2x(small, scale, level) for level in LEVELS), truth)
        if method == "Real-ESRGAN":
            large = real_esrgan(small)
            return large if scale == 4 else np.asarray(cv2.resize(large, truth.shape[1::-1], interpolation=cv2.INTER_AREA))
        return lanczos(small, truth) if method == "Lanczos" else _resized(small, truth, cv2.INTER_CUBIC)


def lanczos(small: Array, truth: Array) -> Array:
    """At the size of the truth."""
    return _resized(small, truth, cv2.INTER_LANCZOS4)


def best(answers: Iterable[Array], truth: Array) -> Array:
    """The answer with the best PSNR."""
    return max(answers, key=lambda answer: psnr(answer, truth))


def ssim(answer: Array, truth: Array) -> float:
    """Structural similarity of the channels, in windows of 11 pixels (Wang et al. 2004)."""
    one, other = ((tensor(picture).double() + 1) / 2 for picture in (answer, truth))
    with torch.no_grad():
        return float(kornia.metrics.ssim(one, other, 11).mean())


def methods_table(rows: list[Any]) -> str:
    """Markdown: a line for each kind of small picture and method, the means over pictures."""
    lines = []
    for (kind,), of_kind in grouped(rows, "kind").items():
        by_method = {method: found for (method,), found in grouped(of_kind, "method").items()}
        base = {row["picture"]: row["psnr"] for row in by_method["bicubic"]}
        for method in filter(by_method.__contains__, NAMES):
            found = by_method[method]
            least = min(row["psnr"] - base[row["picture"]] for row in found)
            lines.append({"kind": kind, "method": method, "count": len(found), "least": least, **means(found, FIGURES)})
    return table(
        [
            ("small picture", "{kind}"),
            ("method", "{method}"),
            ("number", "{count}"),
            ("PSNR", "{psnr:.2f}"),
            ("over bicubic, at least", "{least:+.2f}"),
            ("SSIM", "{ssim:.3f}"),
            ("LPIPS", "{lpips:.3f}"),
        ],
        lines,
    )


def _resized(small: Array, truth: Array, how: int) -> Array:
    return np.asarray(cv2.resize(small, truth.shape[1::-1], interpolation=how), np.uint8)
