"""How good a prior's own pictures are, by family, kernel and number of evaluations, on digits.

    python benchmarks/kernels.py mnist-10k.npz --families runs/families --out runs/kernels --quick      minutes
    python benchmarks/kernels.py mnist-10k.npz --families runs/families --out runs/kernels              hours on one core

FAMILIES is what benchmarks/families.py left, a folder a family. The measure is the Frechet distance (Heusel et al. 2017,
1706.08500) between Gaussians fitted to features of drawn and of held-out digits, in percent of the variance of the latter.
Features are the last hidden layer of a small classifier, trained here first on half of the digits that the priors have seen;
the other half says how small the distance can be. Every kernel walks the same path, Karras' grid of EDM's range as far as the
prior knows it. What is done is kept in OUT/results.jsonl, so a run that was stopped goes on; OUT/table.md is written from it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore import kernels, paths, pretrained, sampling
from restore.images import as_picture, write
from restore.priors import Prior
from restore.report import contact_sheet

HELD_OUT = 500
FEATURES = 32
EVALUATIONS = (10, 20, 50, 100, 1000)
# Kernel, and evaluations a step; all need one for the step to sigma = 0.
KERNELS = {
    "ddim:eta=1": 1,
    "ddim:eta=0": 1,
    "diffpir": 1,
    "dpmpp-2m": 1,
    "heun": 2,
    "euler-maruyama": 1,
    "predictor-corrector": 2,
    "langevin:steps=1,snr=0.4": 1,
}


class Classifier(nn.Module):
    """Digits to ten logits by way of 32 features."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)
        self.hidden, self.last = nn.Linear(32 * 49, FEATURES), nn.Linear(FEATURES, 10)

    def features(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        return F.relu(self.hidden(x.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.features(x))


def classifier(x: Tensor, labels: Tensor, epochs: int = 10) -> Classifier:
    """Trained from the same weights in the same order every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Classifier()
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(epochs):
        for part in torch.randperm(len(x), generator=generator).split(64):
            optimizer.zero_grad()
            F.cross_entropy(network(x[part]), labels[part]).backward()
            optimizer.step()
    return network.eval().requires_grad_(False)


def fitted(network: Classifier, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the features."""
    features = torch.cat([network.features(part) for part in x.split(256)]).double()
    return features.mean(0), features.T.cov()


def frechet(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> float:
    """|m - n|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2), in percent of tr(B)."""
    values, basis = torch.linalg.eigh(a[1])
    root = basis * values.clamp(min=0).sqrt() @ basis.T
    cross = torch.linalg.eigvalsh(root @ b[1] @ root).clamp(min=0).sqrt().sum()
    distance = (a[0] - b[0]).square().sum() + a[1].trace() + b[1].trace() - 2 * cross
    return float(100 * distance / b[1].trace())


def floor(network: Classifier, spare: Tensor, real: tuple[Tensor, Tensor], count: int) -> tuple[float, float]:
    """Mean and spread of the distance of as many real digits, over sets that share none."""
    parts = [part for part in spare.split(count) if len(part) == count]
    found = torch.tensor([frechet(fitted(network, part), real) for part in parts])
    return float(found.mean()), float(found.std())


def steps_for(evaluations: int, each: int) -> int:
    """The most steps that take no more evaluations."""
    return (evaluations - 1) // each + 1


def pixels(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array)[:, None].float() / 127.5 - 1


def draw(prior: Prior, kernel: str, evaluations: int, count: int, device: torch.device) -> Tensor:
    steps = steps_for(evaluations, KERNELS[kernel])
    path = paths.karras(min(prior.sigma_max, 80.0), max(prior.sigma_min, 0.002), steps)
    path = path if prior.levels is None else paths.snap(path, prior.levels)
    return sampling.sample(prior, count, (28, 28), kernels.named(kernel), path, 0, batch=128, device=device)


def known(results: Path) -> dict[tuple[Any, ...], float]:
    lines = results.read_text().splitlines() if results.exists() else []
    rows = [json.loads(line) for line in lines]
    return {(row["family"], row["kernel"], row["evaluations"], row["pictures"]): row["distance"] for row in rows}


def table(found: dict[tuple[Any, ...], float], floors: dict[int, tuple[float, float]]) -> str:
    """Families and kernels down, evaluations across; where the count differs it is said in the head."""
    columns = sorted({(evaluations, count) for _, _, evaluations, count in found})
    rows = [f"| family | kernel | {' | '.join(f'{evaluations} ({count})' for evaluations, count in columns)} |"]
    rows.append("|---|---|" + "---|" * len(columns))
    floor = " | ".join(f"{floors[count][0]:.1f} +- {floors[count][1]:.1f}" for _, count in columns)
    rows.append(f"| digits themselves | | {floor} |")
    for family, kernel in dict.fromkeys((family, kernel) for family, kernel, _, _ in found):
        cells = [found.get((family, kernel, *column)) for column in columns]
        rows.append(f"| {family} | {kernel} | {' | '.join('' if cell is None else f'{cell:.1f}' for cell in cells)} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--families", type=Path, required=True, help="a folder of model folders")
    parser.add_argument("--only", help="names of families, with commas; all that are there by default")
    parser.add_argument("--kernels", help="names of kernels, with ; between; all by default")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000, help="pictures a cell")
    parser.add_argument("--long-count", type=int, default=250, help="pictures a cell of 1000 evaluations")
    parser.add_argument("--evaluations", default=",".join(map(str, EVALUATIONS)))
    parser.add_argument("--quick", action="store_true", help="250 pictures, up to 50 evaluations")
    parser.add_argument(
        "--grid", type=Path, help="also draw a grid of the first family named: kernels down, evaluations across"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32", help="arithmetic of the networks")
    given = parser.parse_args()
    counts = {int(word): given.long_count if int(word) >= 1000 else given.count for word in given.evaluations.split(",")}
    if given.quick:
        counts = {evaluations: 250 for evaluations in EVALUATIONS if evaluations <= 50}
    device = torch.device(given.device)

    loaded = np.load(given.data)
    images, labels = pixels(loaded["images"]), torch.from_numpy(loaded["labels"].astype(np.int64))
    order = torch.randperm(len(images) - HELD_OUT, generator=torch.Generator().manual_seed(0))
    taught, spare = order[: len(order) // 2], order[len(order) // 2 :]
    network = classifier(images[taught], labels[taught])
    right = float((network(images[-HELD_OUT:]).argmax(1) == labels[-HELD_OUT:]).float().mean())
    real = fitted(network, images[-HELD_OUT:])
    print(f"the classifier is right about {100 * right:.1f} % of the held-out digits", flush=True)

    given.out.mkdir(parents=True, exist_ok=True)
    results = given.out / "results.jsonl"
    folders = [folder for folder in sorted(given.families.iterdir()) if (folder / "model.safetensors").is_file()]
    wanted = given.only.split(",") if given.only else [folder.name for folder in folders]
    names = given.kernels.split(";") if given.kernels else list(KERNELS)
    grid = []
    for folder in [folder for folder in folders if folder.name in wanted]:
        prior = pretrained.prior(str(folder), dtype=getattr(torch, given.dtype)).to(device)
        for kernel in names:
            for evaluations, count in counts.items():
                if (folder.name, kernel, evaluations, count) in known(results):
                    continue
                start = time.perf_counter()
                drawn = draw(prior, kernel, evaluations, count, device)
                row = {"family": folder.name, "kernel": kernel, "evaluations": evaluations, "pictures": count}
                row |= {"distance": frechet(fitted(network, drawn), real), "seconds": round(time.perf_counter() - start, 1)}
                with results.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(json.dumps(row), flush=True)
        if given.grid and folder.name == wanted[0]:
            grid = [draw(prior, kernel, evaluations, 8, device) for kernel in names for evaluations in counts]
    if grid:
        sheets = torch.cat(
            [
                cell[row * 4 : row * 4 + 4]
                for line in range(len(names))
                for row in (0, 1)
                for cell in grid[line * len(counts) : (line + 1) * len(counts)]
            ]
        )
        canvas = contact_sheet(sheets, gap=2, columns=4 * len(counts))
        write(given.grid, as_picture(canvas[..., 0].copy()), overwrite=True)
    found = known(results)
    floors = {count: floor(network, images[spare], real, count) for count in {count for *_, count in found}}
    (given.out / "table.md").write_text(table(found, floors))
    print(table(found, floors))


if __name__ == "__main__":
    main()
