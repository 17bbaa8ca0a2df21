"""The main job, measured: each task on the sample photographs through the command, beside what a person would use instead.

    python -m benchmarks main-job samples [--out FOLDER]

The prior never saw these photographs. Times are of the whole process, start included, and vary with the machine; PSNR does not.
Inpainting counts the filled pixels alone. 5 % is scratches and lettering, 50 % and 80 % are random single pixels. BM3D is told
the noise level; non-local means is tried at several strengths, and the best by the truth counts.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.restoration import inpaint_biharmonic

from benchmarks.harness import arguments
from benchmarks.metrics import psnr
from benchmarks.photo_prior.others import denoisers

Picture = NDArray[Any]
NAMES = ("astronaut", "chelsea", "coffee")


def read(path: Path) -> Picture:
    picture = cv2.imread(str(path))
    assert picture is not None, path
    return picture


def restore(*words: str | Path) -> float:
    """Runs the command; seconds of the whole process."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "restore", *map(str, words), "--overwrite", "-q"], check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - started


def inpainting(samples: Path, out: Path, name: str) -> Iterator[tuple[str, float, float, dict[str, float]]]:
    truth = read(samples / "photos" / f"{name}.png")
    drawn = cv2.imread(str(samples / "masks" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
    rng = np.random.default_rng(NAMES.index(name))
    masks = {"5 %": drawn} | {f"{share} %": (rng.random(truth.shape[:2]) < share / 100) * np.uint8(255) for share in (50, 80)}
    for label, mask in masks.items():
        damaged = np.where(mask[..., None] > 0, 255, truth).astype(np.uint8)
        paths = [out / f"{name}-{label.split()[0]}{part}.png" for part in ("-in", "-mask", "")]
        cv2.imwrite(str(paths[0]), damaged)
        cv2.imwrite(str(paths[1]), mask)
        seconds = restore("inpaint", paths[0], "--mask", paths[1], "-o", paths[2])
        smooth = inpaint_biharmonic(damaged, mask > 0, channel_axis=-1)
        others = {
            "telea": psnr(cv2.inpaint(damaged, mask, 3, cv2.INPAINT_TELEA), truth, mask),
            "ns": psnr(cv2.inpaint(damaged, mask, 3, cv2.INPAINT_NS), truth, mask),
            "biharmonic": psnr((smooth * 255).round().clip(0, 255), truth, mask),
        }
        yield f"inpaint {label}", psnr(read(paths[2]), truth, mask), seconds, others


def denoising(samples: Path, out: Path, name: str) -> Iterator[tuple[str, float, float, dict[str, float]]]:
    truth, noisy = read(samples / "photos" / f"{name}.png"), samples / "degraded" / f"{name}-noisy25.png"
    rgb = np.ascontiguousarray(truth[..., ::-1])
    ways = denoisers(np.ascontiguousarray(read(noisy)[..., ::-1]), 25, rgb)
    others = {way: psnr(answer(), rgb) for way, answer in ways.items()} | {"noisy": psnr(read(noisy), truth)}
    for label, words in (("denoise 25", ("--sigma", "25")), ("denoise blind", ())):
        seconds = restore("denoise", noisy, *words, "-o", out / f"{name}-denoised.png")
        yield label, psnr(read(out / f"{name}-denoised.png"), truth), seconds, others


def enlarging(samples: Path, out: Path, name: str) -> Iterator[tuple[str, float, float, dict[str, float]]]:
    truth = read(samples / "photos" / f"{name}.png")
    for scale in (2, 4):
        small, large = samples / "degraded" / f"{name}-x{scale}.png", out / f"{name}-x{scale}.png"
        seconds = restore("super-resolution", small, "--scale", str(scale), "-o", large)
        size = (truth.shape[1], truth.shape[0])
        others = {
            "bicubic": psnr(cv2.resize(read(small), size, interpolation=cv2.INTER_CUBIC), truth),
            "lanczos": psnr(cv2.resize(read(small), size, interpolation=cv2.INTER_LANCZOS4), truth),
        }
        yield f"super-resolution x{scale}", psnr(read(large), truth), seconds, others


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--out", type=Path, help="keep the pictures here")
    given = parser.parse_args()
    print("| task | picture | restore, dB | seconds | others, dB |\n|---|---|---|---|---|")
    with TemporaryDirectory() as temporary:
        out = given.out or Path(temporary)
        out.mkdir(parents=True, exist_ok=True)
        for part in (inpainting, denoising, enlarging):
            for name in NAMES:
                for label, reached, seconds, others in part(given.samples, out, name):
                    beside = ", ".join(f"{other} {value:.2f}" for other, value in others.items())
                    print(f"| {label} | {name} | {reached:.2f} | {seconds:.1f} | {beside} |", flush=True)
