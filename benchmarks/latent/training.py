"""The codecs and priors that `python -m benchmarks latent` measures, trained by `restore train`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

HELD_OUT = 500
# Digits have a right way up.
COMMON = ["--no-flip", "--dtype", "bfloat16", "--lr", "2e-3", "--ema", "0.998", "--warmup", "100", "--cooldown", "0.5"]
CODEC = ["--width", "16", "--batch", "32"]
PRIOR = ["--labels", "--network", "whole-small", "--batch", "64"]
CODECS = {kind: ["--codec", kind, *CODEC] for kind in ("kl", "vq")}
PRIORS = {"pixels": PRIOR, **{f"latent-{kind}": ["--latent", kind, *PRIOR] for kind in CODECS}}


def train(data: Path, out: Path, codec_minutes: float, minutes: float, only: str = "") -> None:
    """Trains what is not done and has `only` in its name; a run that was stopped goes on."""
    out.mkdir(parents=True, exist_ok=True)
    loaded = np.load(data)
    _, size, _, *channels = loaded["images"].shape
    given = {"images": loaded["images"][:-HELD_OUT], "labels": loaded["labels"][:-HELD_OUT]}
    if not (out / "train.npz").exists():
        np.savez(out / "train.npz", **given)
    for name, words in {**CODECS, **PRIORS}.items():
        if only not in name or (out / name / "done").exists():
            continue
        long = codec_minutes if name in CODECS else minutes
        whole = ["train", "train.npz", "-o", name, "--channels", *(channels or [1]), "--size", size, "--minutes", long]
        run = [sys.executable, "-m", "restore", *map(str, whole), *COMMON, *words, "--resume"]
        if subprocess.run(run, cwd=out).returncode:
            sys.exit(f"{name}: training failed; the same command continues it")
        (out / name / "done").touch()
