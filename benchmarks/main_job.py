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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from benchmarks.harness import arguments, markdown
from benchmarks.metrics import psnr
from benchmarks.photo_prior.others import denoisers, enlargements, fills
from benchmarks.pictures import Array, read, write

NAMES = ("astronaut", "chelsea", "coffee")
HEADS = ("task", "picture", "restore, dB", "seconds", "others, dB")


@dataclass(frozen=True)
class Job:
    """A command's words, its answer's name, what others reach, and the pixels that count."""

    label: str
    words: list[str | Path]
    out: str
    others: str
    where: Array | None = None


def scored(ways: dict[str, Callable[[], Array]], truth: Array, where: Array | None = None) -> str:
    return ", ".join(f"{name} {psnr(answer(), truth, where):.2f}" for name, answer in ways.items())


def jobs(samples: Path, out: Path, name: str, truth: Array) -> Iterator[Job]:
    drawn = cv2.imread(str(samples / "masks" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
    rng = np.random.default_rng(NAMES.index(name))
    for share in (5, 50, 80):
        mask = drawn if share == 5 else (rng.random(truth.shape[:2]) < share / 100) * np.uint8(255)
        damaged = np.where(mask[..., None] > 0, 255, truth).astype(np.uint8)
        given, hole = out / f"{name}-{share}-in.png", out / f"{name}-{share}-mask.png"
        write(given, damaged)
        write(hole, mask)
        others = scored(fills(damaged, mask), truth, mask)
        yield Job(f"inpaint {share} %", ["inpaint", given, "--mask", hole], f"{name}-{share}.png", others, mask)
    noisy = samples / "degraded" / f"{name}-noisy25.png"
    others = scored(denoisers(read(noisy), 25, truth) | {"noisy": lambda: read(noisy)}, truth)
    yield Job("denoise 25", ["denoise", noisy, "--sigma", "25"], f"{name}-denoised.png", others)
    yield Job("denoise blind", ["denoise", noisy], f"{name}-denoised.png", others)
    for scale in ("2", "4"):
        small = samples / "degraded" / f"{name}-x{scale}.png"
        others = scored(enlargements(read(small), truth.shape[1::-1]), truth)
        yield Job(f"super-resolution x{scale}", ["super-resolution", small, "--scale", scale], f"{name}-x{scale}.png", others)


def main() -> None:
    parser = arguments(__doc__, samples=Path)
    parser.add_argument("--out", type=Path, help="keep the pictures here")
    given = parser.parse_args()
    lines = []
    with TemporaryDirectory() as temporary:
        out = given.out or Path(temporary)
        out.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            truth = read(given.samples / "photos" / f"{name}.png")
            for job in jobs(given.samples, out, name, truth):
                command = [sys.executable, "-m", "restore", *map(str, job.words), "-o", str(out / job.out), "--overwrite", "-q"]
                started = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                seconds = time.perf_counter() - started
                reached = psnr(read(out / job.out), truth, job.where)
                lines.append([job.label, name, f"{reached:.2f}", f"{seconds:.1f}", job.others])
    print(markdown(HEADS, lines))
