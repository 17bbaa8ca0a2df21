"""Trains one prior of every family, with the same network, time and number of pictures a step, measures and draws them.

    python -m benchmarks families mnist-10k.npz --out runs/families --minutes 9 [--figures docs/reports/families]

DATA is an .npz with `images` (N, H, W) or (N, H, W, C) uint8, the last 500 of which are held out. A run that was stopped is
continued by the same command, and a family that is done is left alone. With --figures every family that is done is measured:
samples from nothing, and held-out pictures with the right half hidden and filled (RePaint), with noise of 80 grey levels and
denoised, and reduced by 2 and enlarged, PSNR over so many of them; bits a dimension by `restore evaluate`. What was measured
lies in OUT/FAMILY/measures.json, so that only new families are measured; the table is printed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.harness import Row, arguments, publish, table
from benchmarks.metrics import psnr
from benchmarks.pictures import rounded
from restore import Restorer
from restore.sampling.samplers import ddim
from restore.solving.generate import sample, schedule_for

Pictures = NDArray[np.uint8]
SIGMA, COLUMNS, MEASURED, ZOOM, MARGIN = 80, 12, 32, 2, 104
HELD_OUT = 500
# Digits, and most things, have a right way up.
COMMON = ["--no-flip", "--network", "whole-small", "--batch", "64", "--lr", "2e-3", "--ema", "0.998", "--dtype", "bfloat16"]
# Song & Ermon 2020, technique 1: sigma_max is the largest distance between two pictures, 29 for digits in [-1, 1].
FAR = ["--sigma-max", "30", "--sigma-min", "0.02"]
DDPM = ["--schedule", "cosine", "--prediction", "v", "--variance", "learned"]
FAMILIES: dict[str, list[str]] = {"ddpm": DDPM, "vp": [], "subvp": [], "ve": FAR, "ncsn": FAR, "edm": [], "flow": []}


def train(data: Path, out: Path, family: str, minutes: float) -> None:
    train, held = out / "train.npy", out / "held-out.npy"
    if not held.exists():
        out.mkdir(parents=True, exist_ok=True)
        images = np.load(data)["images"]
        np.save(train, images[:-HELD_OUT])
        np.save(held, images[-HELD_OUT:])
    _, size, _, *channels = np.load(train, mmap_mode="r").shape
    words = ["train", train, "-o", out / family, "--family", family, "--resume", "--channels", *(channels or [1])]
    words += ["--size", size, "--minutes", minutes, *COMMON, *FAMILIES[family]]
    if subprocess.run([sys.executable, "-m", "restore", *map(str, words)]).returncode:
        sys.exit(f"{family}: training failed; the same command continues it")
    (out / family / "done").touch()


def mean_psnr(found: Pictures, truth: Pictures) -> tuple[float, float]:
    """Mean over pictures of each one's PSNR in dB, at most 78, and its standard error."""
    pairs = zip(found, truth, strict=True)
    each = np.minimum([psnr(one, other) if (one != other).any() else np.inf for one, other in pairs], 78.13)
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))


def resized(pictures: Pictures, factor: float, how: int) -> Pictures:
    return np.stack([cv2.resize(picture, None, fx=factor, fy=factor, interpolation=how) for picture in pictures])


def tasks(restorer: Restorer, truth: Pictures) -> tuple[dict[str, tuple[float, float]], list[tuple[str, Pictures]]]:
    """PSNR of each task, of what was given and what came back, and the rows of the figure."""
    side = truth.shape[1]
    half = slice(side // 2, None)
    mask = np.zeros(truth.shape[1:3], np.uint8)
    mask[:, half] = 255
    hidden, gray = truth.copy(), truth.copy()
    hidden[:, :, half], gray[:, :, half] = 0, 110
    noisy = rounded(truth + np.random.default_rng(0).normal(0, SIGMA, truth.shape))
    small = resized(truth, 0.5, cv2.INTER_AREA)

    def each(pictures: Pictures, task: str, **options: Any) -> Pictures:
        answers = [restorer(task, picture, name=str(index), **options).image for index, picture in enumerate(pictures)]
        return np.stack([np.asarray(answer, np.uint8).reshape(truth.shape[1:]) for answer in answers])

    filled = each(hidden, "inpaint", mask=mask, guidance="repaint")
    denoised = each(noisy, "denoise", sigma=SIGMA)
    larger = each(small, "super-resolution", scale=2, reduced_by="box")
    measures = {
        "inpaint": mean_psnr(filled[:, :, half], truth[:, :, half]),
        "noisy": mean_psnr(noisy, truth),
        "denoise": mean_psnr(denoised, truth),
        "bicubic": mean_psnr(resized(small, 2, cv2.INTER_CUBIC), truth),
        "super-resolution": mean_psnr(larger, truth),
    }
    rows = [("held out", truth), ("half hidden", gray), ("filled", filled), (f"noise {SIGMA}", noisy), ("denoised", denoised)]
    return measures, [*rows, ("reduced", resized(small, 2, cv2.INTER_NEAREST)), ("x2", larger)]


def figure(samples: Pictures, rows: list[tuple[str, Pictures]]) -> Pictures:
    """Rows of pictures with their names: first what the prior draws."""
    strips = [("" if start else "samples", samples[start : start + COLUMNS]) for start in range(0, len(samples), COLUMNS)]
    lines = []
    for name, pictures in [*strips, *rows]:
        colour = pictures if pictures.ndim == 4 else np.repeat(pictures[..., None], 3, axis=3)
        shown = np.hstack([np.pad(picture, ((1, 1), (1, 1), (0, 0)), constant_values=255) for picture in colour[:COLUMNS]])
        shown = cv2.resize(shown, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_NEAREST)
        label = np.full((shown.shape[0], MARGIN, 3), 255, np.uint8)
        cv2.putText(label, name, (6, shown.shape[0] // 2 + 5), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
        lines.append(np.hstack([label, shown]))
    return np.vstack(lines)


def bits(folder: Path, held: Path, likelihood: str, count: int) -> tuple[float, float]:
    """Bits a dimension and their standard error, by `restore evaluate`."""
    words = ["evaluate", str(folder), str(held), "-n", str(count), "--likelihood", likelihood, "--dtype", "float32", "--json"]
    words += ["--every", "10"] if likelihood == "bound" else []
    done = subprocess.run([sys.executable, "-m", "restore", *words], stdout=subprocess.PIPE, text=True, check=True)
    told = json.loads(done.stdout)
    return told["bits_per_dim"], told["standard_error"]


def measure(folder: Path, held: Path, figures: Path, count: int) -> Row:
    restorer = Restorer.from_pretrained(str(folder))
    truth = np.load(held)
    drawn = sample(
        restorer.prior, 4 * COLUMNS, truth.shape[1:3], ddim(1.0), schedule_for(restorer.prior, 200), seed=0, batch=4 * COLUMNS
    )
    samples = ((drawn + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    measures, rows = tasks(restorer, truth[:MEASURED])
    figures.mkdir(parents=True, exist_ok=True)
    drawing = figure(samples if truth.ndim == 4 else samples[..., 0], rows)
    cv2.imwrite(str(figures / f"{folder.name}.png"), drawing[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    state = torch.load(folder / "training.pt", weights_only=True)
    found = {"steps": state["step"], "minutes": state["seconds"] / 60, "loss": state["loss"], **measures}
    return found | {likelihood: bits(folder, held, likelihood, count) for likelihood in ("bound", "flow")}


MEASURES = {
    "bits/dim, bound": "bound",
    "bits/dim, flow": "flow",
    "half filled": "inpaint",
    "denoised": "denoise",
    "x2": "super-resolution",
}
HEADS = (
    ("family", "{family}"),
    ("steps", "{steps}"),
    *((head, f"{{{name}[0]:.2f}} ± {{{name}[1]:.2f}}") for head, name in MEASURES.items()),
)


def main() -> None:
    parser = arguments(__doc__, "out!", data=Path, minutes=9.0, families=",".join(FAMILIES), count=64)
    parser.add_argument("--figures", type=Path)
    given, rows = parser.parse_args(), []
    for family in given.families.split(","):
        if not (given.out / family / "done").exists():
            train(given.data, given.out, family, given.minutes)
    for family in FAMILIES if given.figures else ():
        folder, kept = given.out / family, given.out / family / "measures.json"
        if not (folder / "done").exists():
            continue
        if not kept.exists():
            kept.write_text(json.dumps(measure(folder, given.out / "held-out.npy", given.figures, given.count), indent=2))
        rows.append({"family": family, **json.loads(kept.read_text())})
    as_given = [f"{name} {row[name][0]:.2f}" for row in rows[:1] for name in ("noisy", "bicubic")]
    publish([table(HEADS, rows), f"As given, in dB: {', '.join(as_given)}."] if rows else [])
