"""How good a prior's own pictures are, by family, sampler and number of evaluations, on digits.

    python -m benchmarks samplers mnist-10k.npz --families runs/families --out runs/samplers    hours on one core

FAMILIES is what `families` left, a folder a family. The measure is the Frechet distance (Heusel et al. 2017,
1706.08500) between Gaussians fitted to features of drawn and of held-out digits, in percent of the variance of the latter.
Features are the last hidden layer of a small classifier, trained here first on half of the digits that the priors have seen;
the other half says how small the distance can be. Every sampler walks the same schedule, Karras' grid of EDM's range as far as
the prior knows it. What is done is kept in OUT/results.jsonl, so a run that was stopped goes on.
Pictures are kept in OUT/drawn: measuring fewer of them (`--count`) draws none, since each has noise of its own.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import Results, Row, arguments, by, grouped, markdown, publish
from benchmarks.samplers.frechet import fitted, floor, judge, percent
from restore import pretrained
from restore.images import as_picture, write
from restore.priors import Prior
from restore.results.figures import contact_sheet
from restore.sampling import samplers, schedules
from restore.solving import generate

HELD_OUT = 500
KEY = ("family", "sampler", "evaluations", "pictures")
EVALUATIONS = (10, 20, 50, 100, 1000)
# Sampler, and evaluations a step; all need one for the step to sigma = 0.
SAMPLERS = {
    "ddim:eta=1": 1,
    "ddim:eta=0": 1,
    "diffpir": 1,
    "dpmpp-2m": 1,
    "heun": 2,
    "euler-maruyama": 1,
    "predictor-corrector": 2,
    "langevin:steps=1,snr=0.4": 1,
}


def pixels(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array)[:, None].float() / 127.5 - 1


def draw(prior: Prior, sampler: str, evaluations: int, count: int) -> Tensor:
    steps = (evaluations - 1) // SAMPLERS[sampler] + 1  # The most that take no more evaluations.
    schedule = schedules.karras(min(prior.sigma_max, 80.0), max(prior.sigma_min, 0.002), steps)
    schedule = schedule if prior.levels is None else schedules.snap(schedule, prior.levels)
    return generate.sample(prior, count, (28, 28), samplers.named(sampler), schedule, 0, batch=250)


def pictures(drawn: Path, prior: Prior, name: str, sampler: str, evaluations: int, count: int) -> Tensor:
    """The first of an earlier run's, if it had as many, or drawn; in half precision, as they are kept."""
    file = drawn / f"{name} {sampler} {evaluations}.npy"
    found = torch.from_numpy(np.load(file)) if file.exists() else torch.empty(0)
    if len(found) < count:
        found = draw(prior, sampler, evaluations, count).half()
        np.save(file, found.numpy())
    return found[:count].float()


def grid(rows: list[Row], floors: dict[int, tuple[float, float]]) -> str:
    """Families and samplers down, evaluations across; where the count differs it is said in the head."""
    across = sorted({(row["evaluations"], row["pictures"]) for row in rows})
    lines = [["digits themselves", "", *(f"{floors[count][0]:.1f} +- {floors[count][1]:.1f}" for _, count in across)]]
    for name, found in grouped(rows, "family", "sampler").items():
        cells = {(row["evaluations"], row["pictures"]): f"{row['distance']:.1f}" for row in found}
        lines.append([*name, *(cells.get(column, "") for column in across)])
    return markdown(("family", "sampler", *(f"{evaluations} ({count})" for evaluations, count in across)), lines)


def sheet(prior: Prior, names: list[str], budgets: list[int]) -> np.ndarray:
    """Samplers down, evaluations across, eight pictures each in two rows."""
    rows = []
    for sampler in names:
        cells = [draw(prior, sampler, evaluations, 8) for evaluations in budgets]
        rows += [cell[half] for half in (slice(4), slice(4, 8)) for cell in cells]
    return contact_sheet(torch.cat(rows), gap=2, columns=4 * len(budgets))[..., 0].copy()


def main() -> None:
    parser = arguments(__doc__, "into", "out!", data=Path, count=1000, long_count=250)
    parser.add_argument("--families", type=Path, required=True, help="a folder of model folders")
    parser.add_argument("--only", help="names of families, with commas; all that are there by default")
    parser.add_argument("--samplers", default=";".join(SAMPLERS), help="names of samplers, with ; between")
    parser.add_argument("--evaluations", default=",".join(map(str, EVALUATIONS)), help="1000 and more draw `--long-count`")
    parser.add_argument("--grid", type=Path, help="also draw a grid of the first family: samplers down, evaluations across")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32", help="arithmetic of the networks")
    given = parser.parse_args()
    counts = {int(word): given.long_count if int(word) >= 1000 else given.count for word in given.evaluations.split(",")}
    drawn = given.out / "drawn"

    loaded = np.load(given.data)
    images, labels = pixels(loaded["images"]), torch.from_numpy(loaded["labels"].astype(np.int64))
    order = torch.randperm(len(images) - HELD_OUT, generator=torch.Generator().manual_seed(0))
    taught, spare = order[: len(order) // 2], order[len(order) // 2 :]
    drawn.mkdir(parents=True, exist_ok=True)
    network = judge(given.out / "classifier.pt", images[taught], labels[taught])
    right = float((network(images[-HELD_OUT:]).argmax(1) == labels[-HELD_OUT:]).float().mean())
    real = fitted(network, images[-HELD_OUT:])
    print(f"the classifier is right about {100 * right:.1f} % of the held-out digits", flush=True)

    results = Results(given.out / "results.jsonl", by(*KEY))
    families = sorted(folder.name for folder in given.families.iterdir() if (folder / "model.safetensors").is_file())
    names = given.samplers.split(";")
    wanted = given.only.split(",") if given.only else families
    for family in wanted:
        prior = pretrained.prior(str(given.families / family), dtype=getattr(torch, given.dtype))
        for sampler, (evaluations, count) in itertools.product(names, counts.items()):
            key = (family, sampler, evaluations, count)

            def measure(key: tuple[Any, ...] = key, prior: Prior = prior) -> Row:
                distance = percent(fitted(network, pictures(drawn, prior, *key)), real)
                return {**dict(zip(KEY, key, strict=True)), "distance": distance}

            results.take(key, measure)
        if given.grid and family == wanted[0]:
            write(given.grid, as_picture(sheet(prior, names, list(counts))), overwrite=True)
    floors = {count: floor(network, images[spare], real, count) for count in {row["pictures"] for row in results.rows}}
    publish([grid(results.rows, floors)], given.into)
