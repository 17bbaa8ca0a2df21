"""The bundled prior on pictures it never saw: denoising by one evaluation, and the tasks beside what people use instead.

    python benchmarks/photo_prior.py --data FOLDER [--prior photo] [--tasks] [--every N]

Denoising: noise of sigma in [0, 255] is added to 8-bit pictures without rounding, seeded per picture; PSNR over RGB of one
evaluation of D, clipped; the mean over the folder. Tasks: the default guidance on the middle 256 x 256 pixels; PSNR over
the filled pixels for masks, over all for the rest.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from main_job import psnr
from numpy.typing import NDArray
from skimage.restoration import inpaint_biharmonic

from restore import Restorer
from restore.operators import Downsample

Array = NDArray[Any]
SIGMAS = (15, 25, 30, 50)


def pictures(folder: Path, every: int) -> list[Array]:
    """RGB uint8 pictures of a folder."""
    loaded = [cv2.imread(str(path)) for path in sorted(folder.iterdir()) if path.suffix.lower() in {".png", ".jpg", ".bmp"}]
    return [np.ascontiguousarray(picture[..., ::-1]) for picture in loaded if picture is not None][::every]


def denoising(restorer: Restorer, photographs: list[Array], sigma: float, told: float | None = None) -> float:
    """Mean PSNR in dB; `told` is the level the prior is asked at, if another."""
    reached = []
    for index, picture in enumerate(photographs):
        noise = np.random.default_rng(index).standard_normal(picture.shape) * sigma
        noisy = torch.from_numpy((picture + noise) / 127.5 - 1).permute(2, 0, 1)[None].float()
        with torch.no_grad():
            clean = restorer.prior(noisy, (told or sigma) / 127.5)[0].permute(1, 2, 0).numpy()
        reached.append(psnr(((clean + 1) * 127.5).clip(0, 255), picture))
    return float(np.mean(reached))


def masks(size: int, seed: int) -> Iterator[tuple[str, Array]]:
    rng = np.random.default_rng(seed)
    for share in (50, 80):
        yield f"missing {share} %", (rng.random((size, size)) < share / 100) * np.uint8(255)
    text = np.zeros((size, size), np.uint8)
    for row in range(6):
        cv2.putText(text, "restore pictures", (5, 30 + 40 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 2)
    yield "text", np.where(text > 127, 255, 0).astype(np.uint8)


def rows(restorer: Restorer, truth: Array, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    """(task, PSNR by method) of one 256 x 256 picture."""
    for name, mask in masks(truth.shape[0], seed):
        damaged = np.where(mask[..., None] > 0, 0, truth).astype(np.uint8)
        fills: dict[str, Callable[[], Array]] = {
            "restore": lambda damaged=damaged, mask=mask: restorer("inpaint", damaged, mask=mask).image,
            "telea": lambda damaged=damaged, mask=mask: cv2.inpaint(damaged, mask, 3, cv2.INPAINT_TELEA),
            "ns": lambda damaged=damaged, mask=mask: cv2.inpaint(damaged, mask, 3, cv2.INPAINT_NS),
            "biharmonic": lambda damaged=damaged, mask=mask: (
                inpaint_biharmonic(damaged, mask > 0, channel_axis=-1) * 255
            ).clip(0, 255),
        }
        yield name, {method: psnr(fill(), truth, mask) for method, fill in fills.items()}
    side = truth.shape[0]
    pixels = torch.from_numpy(truth).permute(2, 0, 1)[None].double()
    for scale in (2, 3, 4):
        fitted = side - side % scale
        small = Downsample((fitted, fitted), scale)(pixels[..., :fitted, :fitted])
        reduced = small[0].permute(1, 2, 0).numpy().round().clip(0, 255).astype(np.uint8)
        goal = truth[:fitted, :fitted]
        yield (
            f"x{scale}",
            {
                "restore": psnr(restorer("super-resolution", reduced, scale=scale).image, goal),
                "bicubic": psnr(cv2.resize(reduced, (fitted, fitted), interpolation=cv2.INTER_CUBIC), goal),
                "lanczos": psnr(cv2.resize(reduced, (fitted, fitted), interpolation=cv2.INTER_LANCZOS4), goal),
            },
        )
    shown = np.random.default_rng(seed).random(truth.shape[:2]) < 0.01
    hints = np.dstack([np.where(shown[..., None], truth, 0), shown * 255]).astype(np.uint8)
    gray = cv2.cvtColor(truth, cv2.COLOR_RGB2GRAY)
    yield (
        "colorize 1 %",
        {
            "restore": psnr(restorer("colorize", np.repeat(gray[..., None], 3, 2), hints=hints).image, truth),
            "gray": psnr(np.repeat(gray[..., None], 3, 2), truth),
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--prior", default="photo")
    parser.add_argument("--tasks", action="store_true", help="the tasks too")
    parser.add_argument("--every", type=int, default=1, help="use every N-th picture only")
    arguments = parser.parse_args()
    restorer = Restorer.from_pretrained(arguments.prior)
    photographs = pictures(arguments.data, arguments.every)
    print(f"{len(photographs)} pictures, prior {arguments.prior} {restorer.prior_hash}, {restorer.placement.dtype}\n")
    print("| sigma | one evaluation | sigma told 20 % low | 20 % high |\n|---|---|---|---|")
    for sigma in SIGMAS:
        reached = [denoising(restorer, photographs, sigma, told) for told in (sigma, 0.8 * sigma, 1.2 * sigma)]
        print(f"| {sigma} | " + " | ".join(f"{value:.2f}" for value in reached) + " |", flush=True)
    if not arguments.tasks:
        return
    table: dict[str, dict[str, list[float]]] = {}
    for index, picture in enumerate(photographs):
        top, left = (picture.shape[0] - 256) // 2, (picture.shape[1] - 256) // 2
        for task, found in rows(restorer, np.ascontiguousarray(picture[top : top + 256, left : left + 256]), index):
            for method, value in found.items():
                table.setdefault(task, {}).setdefault(method, []).append(value)
    print("\n| task | restore | others |\n|---|---|---|")
    for task, found in table.items():
        others = ", ".join(f"{method} {np.mean(values):.2f}" for method, values in found.items() if method != "restore")
        print(f"| {task} | {np.mean(found['restore']):.2f} | {others} |")


if __name__ == "__main__":
    main()
