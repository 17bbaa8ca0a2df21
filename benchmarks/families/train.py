"""Trains one prior of every family on digits, one after the other, with the same network, time and number of pictures a step.

    python -m benchmarks families-train mnist-10k.npz --out runs/families --minutes 9

DATA is an .npz with `images` (N, H, W) or (N, H, W, C) uint8. The last 500 pictures are held out; `families` uses
them. A run that was stopped is continued by the same command; a family that is done is left alone.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.harness import arguments

HELD_OUT = 500
# Digits, and most things, have a right way up.
COMMON = ["--no-flip", "--network", "whole-small", "--batch", "64", "--lr", "2e-3", "--ema", "0.998", "--dtype", "bfloat16"]
# Song & Ermon 2020, technique 1: sigma_max is the largest distance between two pictures, 29 for digits in [-1, 1].
FAMILIES = {
    "ddpm": ["--schedule", "cosine", "--prediction", "v", "--variance", "learned"],
    "edm": [],
    "flow": [],
    "ncsn": ["--sigma-max", "30", "--sigma-min", "0.02"],
    "subvp": [],
    "ve": ["--sigma-max", "30", "--sigma-min", "0.02"],
    "vp": [],
}


def split(data: Path, out: Path) -> tuple[Path, Path]:
    """Writes the pictures to train on and those held out; answers both."""
    train, held = out / "train.npy", out / "held-out.npy"
    if not held.exists():
        out.mkdir(parents=True, exist_ok=True)
        images = np.load(data)["images"]
        np.save(train, images[:-HELD_OUT])
        np.save(held, images[-HELD_OUT:])
    return train, held


def main() -> None:
    given = arguments(__doc__, "out!", data=Path, minutes=9.0, families=",".join(FAMILIES)).parse_args()
    train, _ = split(given.data, given.out)
    shape = np.load(train, mmap_mode="r").shape
    channels = 1 if len(shape) == 3 else shape[3]
    for family in given.families.split(","):
        folder = given.out / family
        if (folder / "done").exists():
            continue
        command = [sys.executable, "-m", "restore", "train", str(train), "-o", str(folder), "--family", family, "--resume"]
        command += ["--channels", str(channels), "--size", str(shape[1]), "--minutes", str(given.minutes)]
        command += [*COMMON, *FAMILIES[family]]
        print(" ".join(command[2:]), flush=True)
        if subprocess.run(command).returncode:
            sys.exit(f"{family}: training failed; the same command continues it")
        (folder / "done").touch()
