"""Short trainings from nothing, one change each: what more context and each part of the pictures is worth.

    python -m benchmarks photo-prior-trials PICTURES SOURCES --data bsds400 --lpips lpips-alex.npz --out FOLDER \\
        --results docs/reports/results/photo-prior-trials.jsonl [--only attention]
    python -m benchmarks photo-prior-trials - - --results docs/reports/results/photo-prior-trials.jsonl --table

PICTURES is what `photo-prior-data` wrote, SOURCES what it read. Every trial takes as many steps on the same crops,
about twenty minutes of one core with bfloat16 in hardware, and none knows plug-and-play's states. Then, on the middle 256 x 256
pixels of pictures of --data: PSNR of one evaluation, of `pnp` with 80 % missing, at x4 and in a hole of 32 pixels, and LPIPS of
a sample at x4. An interrupted trial is continued.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Results, Row, arguments, by, markdown, report
from benchmarks.holes.cases import square
from benchmarks.metrics import Lpips, psnr
from benchmarks.photo_prior.networks import NETWORKS
from benchmarks.photo_prior.report import denoised
from benchmarks.photo_prior.tasks import SIDE, masks
from benchmarks.pictures import Array, middle, paths, read, reduced, spread
from restore import Restorer
from restore.priors.families.edm import EDM
from restore.training import families
from restore.training.budget import Budget
from restore.training.data import Crops, load_crops
from restore.training.kinds import Kind
from restore.training.train import train

STEPS, CROP, BATCH = 1500, 192, 4  # Crops as large as the bundled prior sees show what lies beyond its context.
SCALES = (1.0, 0.7, 0.5, 0.35)
EDM_OPTIONS = {"sigma_mean": -1.5, "sigma_std": 0.9, "sigma_spread": 0.1, "relative": 0.02}
NOISE, SAMPLED = (25, 50, 150), 4
PARTS = ("photos-cc0", "photos-cc0-more/colour", "kodak24", "drawn")

Trial = tuple[str, tuple[str, ...], int]  # A network, the parts of the data that it learns from, a seed.
TRIALS: dict[str, Trial] = (
    {name: (name, PARTS, 0) for name in NETWORKS}
    | {f"without {part}": ("deep", tuple(other for other in PARTS if other != part), 0) for part in PARTS}
    | {f"{name}, another seed": (name, PARTS, 1) for name in ("deep", "cascade")}
)
"""By name. Those of another seed show how much is chance."""


def main() -> None:
    common = ("data", "results", "out", "table", "into", "only", "every")
    parser = arguments(__doc__, *common, pictures=Path, sources=Path, lpips="lpips-alex.npz", count=12, steps=STEPS)
    report(parser, by("trial", "steps", "task", "picture"), measure, tables)


def measure(given: argparse.Namespace, results: Results) -> None:
    distance = Lpips(Path(given.lpips))
    for trial, (network, parts, seed) in TRIALS.items():
        if given.only not in trial:
            continue
        prior = trained(NETWORKS[network], seed, given, given.out / trial.replace(" ", "-").replace("/", "-"), parts)
        restorer = Restorer(prior, name=trial)
        for index, path in enumerate(spread(given.data, given.count)):
            truth = middle(read(path), SIDE)
            for task, answer in answers(restorer, truth, index, distance):
                key = (trial, given.steps, task, path.stem)
                results.take(key, lambda key=key, answer=answer: dict(zip(KEYS, key, strict=True)) | {"value": answer()})
        results.take((trial, given.steps, "cost", "all"), partial(_cost, trial, given.steps, prior))


KEYS = ("trial", "steps", "task", "picture")


def answers(restorer: Restorer, truth: Array, index: int, distance: Lpips) -> list[tuple[str, Callable[[], float]]]:
    """(task, what measures it) of one picture."""

    def restored(task: str, picture: Array, **words: Any) -> Array:
        return np.asarray(restorer(task, picture, name=str(index), **words).image)

    def filled(mask: Array) -> float:
        damaged = np.where(mask[..., None] > 0, 0, truth).astype(np.uint8)
        return psnr(restored("inpaint", damaged, mask=mask, mask_grow=0, fill="smooth"), truth, mask)

    found: list[tuple[str, Callable[[], float]]] = [
        (f"noise {sigma}", partial(lambda sigma: psnr(denoised(restorer, truth, sigma, sigma, index), truth), sigma))
        for sigma in NOISE
    ]
    found.append(("missing 80 %", lambda: filled(dict(masks(SIDE, index))["missing 80 %"])))
    found.append(("hole 32 px", lambda: filled(square(32))))
    small = reduced(truth, 4)
    found.append(("x4", lambda: psnr(restored("super-resolution", small, scale=4), truth)))
    if index < SAMPLED:
        found.append(
            ("x4 sample, LPIPS", lambda: distance(restored("super-resolution", small, scale=4, guidance="mmps"), truth))
        )
    return found


def trained(make: Callable[[], Any], seed: int, given: argparse.Namespace, out: Path, parts: tuple[str, ...]) -> EDM:
    """The prior of a trial, from the checkpoint if its training is over."""
    config = {"family": "edm", "network": {"type": make.__class__.__name__, "channels": 3}, "prior": {"sigma_start": 2.0}}
    options = families.settings("edm", EDM_OPTIONS)
    objective = families.objective({**config, "prior": {}}, options)
    made: list[EDM] = []

    def save(folder: Path, config: Mapping[str, Any], prior: EDM, card: str) -> None:
        made[:] = [prior]

    crops = _crops(given, parts)
    budget = Budget(steps=given.steps, warmup=50, cooldown=0.7)
    kind = Kind(build=lambda config, dtype: _prior(make, dtype), save=save)
    words = {"batch": BATCH, "learning_rate": 2e-3, "ema": 0.995, "dtype": torch.bfloat16, "optimizer_name": "muon"}
    train(config, objective, crops, out, budget, kind=kind, resume=True, seed=seed, save_every=120.0, **words)
    return made[0].eval()


def _prior(make: Callable[[], Any], dtype: torch.dtype) -> EDM:
    network = make()
    sizes = {"channels": 3, "multiple_of": network.multiple_of, "context": network.context}
    return EDM(network, dtype=dtype, sigma_start=2.0, **sizes).to(memory_format=torch.channels_last)


def _crops(given: argparse.Namespace, parts: tuple[str, ...]) -> Crops:
    """Crops of the pictures that came from these parts; with "drawn", procedural ones among them."""
    laid = {path.stem: path for folder in ("photographs", "plain") for path in paths(given.pictures / folder)}
    folders = [given.sources / part for part in parts if part != "drawn"]
    chosen = tuple(laid[path.stem] for folder in folders for path in sorted(folder.iterdir()) if path.stem in laid)
    share = 0.06 if "drawn" in parts else 0.0
    return load_crops(chosen, size=CROP, scales=SCALES, procedural=share, gray=0.07, jitter=0.1, detail=3)


def _cost(trial: str, steps: int, prior: EDM) -> Row:
    """Processor time of an evaluation of 512 x 512 to that of the bundled prior's network, in turns; the least of five each."""
    plain = _prior(NETWORKS["deep"], torch.bfloat16).eval()
    x, best = torch.zeros(1, 3, 512, 512), [math.inf, math.inf]
    with torch.no_grad():
        for _ in range(6):
            for index, one in enumerate((plain, prior)):
                start = time.process_time()
                one(x, 0.5)
                best[index] = min(best[index], time.process_time() - start)
    return dict(zip(KEYS, (trial, steps, "cost", "all"), strict=True)) | {"value": round(best[1] / best[0], 2)}


def tables(rows: list[Row]) -> list[str]:
    """Each trial's means, and how far they are from the network "deep" with all pictures."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    trials = list(dict.fromkeys(row["trial"] for row in rows))
    of = {(row["trial"], row["task"], row["picture"]): row["value"] for row in rows}

    def cell(trial: str, task: str) -> str:
        pictures = [picture for one, other, picture in of if (one, other) == (trial, task)]
        if not pictures:
            return ""
        values = np.array([of[trial, task, picture] for picture in pictures])
        if task == "cost":
            return f"{values[0]:.2f}"
        shown = f"{values.mean():.3f}" if "LPIPS" in task else f"{values.mean():.2f}"
        if trial == "deep" or any(("deep", task, picture) not in of for picture in pictures):
            return shown
        gain = values - [of["deep", task, picture] for picture in pictures]
        digits = 3 if "LPIPS" in task else 2
        return f"{shown} ({gain.mean():+.{digits}f} ± {gain.std(ddof=1) / len(gain) ** 0.5:.{digits}f})"

    return [markdown(["trial", *tasks], [[trial, *(cell(trial, task) for task in tasks)] for trial in trials])]


if __name__ == "__main__":
    main()
