"""Short training runs that differ in one thing each: what the bundled prior's training is chosen from.

    python -m benchmarks trials photos-cc0 kodak24 --check FOLDER --out runs/trials [--other FOLDER] [--into FILE.md]

Every run takes as many floating-point operations as `--steps` steps of the first one, those of Muon included, so a larger
network takes fewer steps. The measure is denoising by one evaluation of D, PSNR in dB over the middle 256 x 256 pixels of
pictures in `--check`, which are neither trained on nor those that the prior is judged by. Two runs that differ in the seed
alone say how little a difference means. `--other` is a folder of more pictures, for what another collection would bring; it may
be the one of `--check`, whose pictures are then left out, and such weights are not for shipping.
A run that was stopped is continued by the same command; what is measured stays in OUT/NAME/psnr.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.harness import arguments, markdown, publish
from benchmarks.metrics import psnr
from benchmarks.pictures import crops, spread
from restore import Restorer
from restore.networks.presets import PRESETS
from restore.priors.loaders import folder
from restore.training.optimizers import make

SIGMAS = (15, 25, 50)
FIRST = {
    "network": "small", "size": "64", "batch": "16", "optimizer": "muon", "lr": "1e-3", "warmup": "20", "ema": "0.99",
    "scales": "1,0.7,0.5,0.35", "procedural": "0.08", "gray": "0.1", "jitter": "0.2", "sigma-mean": "-1.6", "sigma-std": "1.0",
    "sigma-spread": "0.1", "seed": "0",
}  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """What is changed from the first run."""

    name: str
    changed: dict[str, str] = field(default_factory=dict)
    other: bool = False  # Trained on the other collection.
    times: int = 1  # As many operations as the first run takes.

    @property
    def options(self) -> dict[str, str]:
        return FIRST | self.changed


TRIALS = (
    Trial("as it is"),
    Trial("another seed", {"seed": "1"}),
    Trial("levels as in EDM (mean -1.2, std 1.2)", {"sigma-mean": "-1.2", "sigma-std": "1.2"}),
    Trial("lower levels (mean -2)", {"sigma-mean": "-2"}),
    Trial("narrower levels (std 0.7)", {"sigma-std": "0.7"}),
    Trial("4 crops of 128", {"size": "128", "batch": "4"}),
    Trial("64 crops of 32", {"size": "32", "batch": "64"}),
    Trial("4 crops of 64, more steps", {"batch": "4"}),
    Trial("twice the rate", {"lr": "2e-3"}),
    Trial("half the rate", {"lr": "5e-4"}),
    Trial("AdamW", {"optimizer": "adamw"}),
    Trial("AdamW, twice the rate", {"optimizer": "adamw", "lr": "2e-3"}),
    Trial("AdamW, four times the rate", {"optimizer": "adamw", "lr": "4e-3"}),
    Trial("falling over the whole run", {"cooldown": "0.9"}),
    Trial("no drawn pictures", {"procedural": "0"}),
    Trial("a third drawn pictures", {"procedural": "0.33"}),
    Trial("no gray, no gains", {"gray": "0", "jitter": "0"}),
    Trial("one scale", {"scales": "1"}),
    Trial("the most detailed of three crops", {"detail": "3"}),
    Trial("a loss of relative errors (floor 0.02)", {"relative": "0.02"}),
    Trial("network base", {"network": "base"}),
    Trial("network NAFNet, of the same widths", {"network": "nafnet"}),
    Trial("network UNet2DModel, of the same widths", {"network": "unet2d-patches"}),
    Trial("the other collection", other=True),
    Trial("five times as long", times=5),
    Trial("five times as long, the other collection", other=True, times=5),
)


def operations(options: dict[str, str]) -> float:
    """Of one step: forward and backward, and Muon's own.

    Backward takes twice what forward does; torch's counter takes the gradients of grouped convolutions for those of full ones.
    """
    config = {"family": "edm", "network": {**PRESETS[options["network"]], "channels": 3}, "prior": {}}
    side, prior = int(options["size"]), folder.build(config)
    with FlopCounterMode(display=False) as forward:
        loss = prior(torch.zeros(int(options["batch"]), 3, side, side), 0.2).square().mean()
    loss.backward()
    with FlopCounterMode(display=False) as step:
        make(options["optimizer"], prior, 1e-3).step()
    return float(3 * forward.get_total_flops() + step.get_total_flops())


def trained(trial: Trial, data: list[Path], out: Path, steps: int) -> bool:
    """Whether the run came to its end."""
    command = [sys.executable, str(Path(__file__).parent / "other_networks.py"), "train", *map(str, data), "-o", str(out)]
    options = {"steps": str(steps), "family": "edm", "dtype": "bfloat16"} | trial.options
    command += ["--resume", *(word for name, value in options.items() for word in (f"--{name}", value))]
    print(" ".join(command[2:]), flush=True)
    return subprocess.run(command).returncode == 0


def without(pictures: Path, left_out: list[Path], into: Path) -> Path:
    """A folder of links to the pictures of another, but for those left out."""
    into.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in left_out}
    for path in pictures.iterdir():
        link = into / path.name
        if path.name not in names and not link.exists():
            link.symlink_to(path.resolve())
    return into


def measured(prior: Path, check: Path, count: int) -> list[float]:
    """Mean PSNR at each sigma."""
    denoise = Restorer.from_pretrained(str(prior)).prior
    found: list[list[float]] = [[] for _ in SIGMAS]
    for index, x in enumerate(crops(check, count, 256)):
        for sigma, row in zip(SIGMAS, found, strict=True):
            noise = torch.from_numpy(np.random.default_rng(index).standard_normal(x.shape)).float()
            with torch.no_grad():
                clean = denoise(x + sigma / 127.5 * noise, sigma / 127.5).clamp(-1, 1)
            row.append(psnr(clean, x, peak=2))
    return [fmean(row) for row in found]


def rows(found: list[tuple[Trial, int, list[float]]]) -> list[list[object]]:
    """The first run in dB and the others as differences from it."""
    base = found[0][2]
    lines: list[list[object]] = [[found[0][0].name, found[0][1], *(f"{value:.2f}" for value in base)]]
    for trial, steps, values in found[1:]:
        lines.append([trial.name, steps, *(f"{value - first:+.2f}" for value, first in zip(values, base, strict=True))])
    return lines


def main() -> None:
    parser = arguments(__doc__, "into", "out!", steps=800, pictures=24)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--check", type=Path, required=True, help="a folder of pictures to measure on")
    parser.add_argument("--other", type=Path, help="a folder of other pictures to train on once")
    parser.add_argument("--only", default=[""], nargs="+", help="trials whose name holds one of these")
    given = parser.parse_args()
    first, found = operations(FIRST), []
    for trial in TRIALS:
        if not any(words in trial.name for words in given.only) or (trial.other and given.other is None):
            continue
        out = given.out / "".join(letter if letter.isalnum() else "-" for letter in trial.name)
        steps, kept = round(given.steps * trial.times * first / operations(trial.options)), out / "psnr.json"
        if not kept.exists():
            data = given.data
            if trial.other:
                data = [without(given.other, spread(given.check, given.pictures), given.out / "pictures")]
            if not trained(trial, data, out, steps):
                sys.exit(f"{trial.name}: training failed; the same command continues it")
            kept.write_text(json.dumps(measured(out, given.check, given.pictures)))
        found.append((trial, steps, json.loads(kept.read_text())))
    publish([markdown(("changed", "steps", *(f"sigma {sigma}" for sigma in SIGMAS)), rows(found))], given.into)
