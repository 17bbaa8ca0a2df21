"""Trains the network that finds scratches and dust: `python -m restore.training.scratch_detector DATA... -o FILE`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from restore.diagnosis.network import ScratchDetector
from restore.diagnosis.responses import responses
from restore.images.formats import SUFFIXES
from restore.training.scratches import VISIBLE, damage

SIDE, CROP, POOL = 320, 112, 160  # Pixels of what is damaged and of what is trained on; pictures that crops come from.
LEAST, MOST = 360, 800  # Pixels, the shorter side that photographs are reduced to.
UNDAMAGED = 0.4  # Share of pictures.


class DamagedPictures(IterableDataset):
    """Endless (responses (CHANNELS, SIDE, SIDE), target (SIDE, SIDE)) in float16; a target of -1 does not count."""

    def __init__(self, folders: tuple[Path, ...], seed: int) -> None:
        self._paths = sorted(path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        self._seed = seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        cv2.setNumThreads(1)
        worker = get_worker_info()
        random = np.random.default_rng((self._seed, 0 if worker is None else worker.id))
        while True:
            picture, target = example(self._photograph(random), random)
            yield torch.from_numpy(responses(picture)).half(), torch.from_numpy(target).half()

    def _photograph(self, random: np.random.Generator) -> NDArray[np.uint8]:
        """A part (SIDE, SIDE, 3) of a photograph, reduced by some factor."""
        read = cv2.imread(str(self._paths[random.integers(len(self._paths))]))
        assert read is not None
        scale = min(1.0, random.uniform(LEAST, MOST) / min(read.shape[:2]))
        read = cv2.resize(read, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        top, left = (random.integers(0, max(1, side - SIDE + 1)) for side in read.shape[:2])
        part = read[top : top + SIDE, left : left + SIDE, ::-1]
        return np.pad(part, ((0, SIDE - part.shape[0]), (0, SIDE - part.shape[1]), (0, 0)), mode="symmetric")


def example(picture: NDArray[np.uint8], random: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A photograph as an old one may be, and which of its pixels are scratches or dust: 1, 0, or -1 for hardly visible."""
    picture = _aged(picture, random)
    if random.random() < UNDAMAGED:
        found, target = picture, np.zeros(picture.shape[:2], np.float32)
    else:
        found, _ = damage(picture, random, random.choice([0.5, 1, 2]))
        change = np.abs(found.astype(np.float32) - picture).max(axis=2)
        target = np.where(change > VISIBLE, 1, np.where(change > VISIBLE / 3, -1, 0)).astype(np.float32)
    return _rescanned(found, random), target


def _aged(picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Gray, sepia, soft or grainy; before it is scratched."""
    found: NDArray[Any] = picture.astype(np.float32)
    if random.random() < 0.5:
        gray = found.mean(axis=2, keepdims=True)
        found = np.repeat(gray, 3, axis=2)
        if random.random() < 0.4:
            found = 255 * (found / 255) ** np.array([0.8, 1.0, 1.3], np.float32)
    if random.random() < 0.3:
        found = cv2.GaussianBlur(found, (0, 0), random.uniform(0.4, 1.5))
    if random.random() < 0.4:
        found = 128 + random.uniform(0.5, 1) * (found - 128) + random.uniform(-20, 20)
    if random.random() < 0.5:
        grain = random.normal(0, 1, found.shape[:2]).astype(np.float32)
        grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), random.uniform(0.4, 1.2)), np.float32)
        found = found + (random.uniform(1, 12) / grain.std() * grain)[..., None]
    return np.asarray(found.round().clip(0, 255), np.uint8)


def _rescanned(picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.float32]:
    """With the blur, noise and compression of a scan."""
    found: NDArray[Any] = picture.astype(np.float32)
    if random.random() < 0.3:
        found = cv2.GaussianBlur(found, (0, 0), random.uniform(0.3, 0.8))
    if random.random() < 0.3:
        found = found + random.normal(0, random.uniform(1, 10), found.shape)
    found = found.round().clip(0, 255).astype(np.uint8)
    if random.random() < 0.4:
        quality = int(random.integers(50, 96))
        file = cv2.imencode(".jpg", found, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        found = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))
    return np.asarray(found, np.float32)


def _crops(pool: list[tuple[Tensor, Tensor]], batch: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """(batch, CHANNELS, CROP, CROP) and (batch, 1, CROP, CROP), most with damage inside, turned and mirrored."""
    inputs, targets = [], []
    for _ in range(batch):
        x, target = pool[random.integers(len(pool))]
        top, left = (int(random.integers(0, SIDE - CROP + 1)) for _ in range(2))
        damaged = (target > 0).nonzero()
        if len(damaged) and random.random() < 0.7:
            row, column = damaged[random.integers(len(damaged))].tolist()
            top, left = (min(max(0, at - int(random.integers(CROP))), SIDE - CROP) for at in (row, column))
        parts = [part[..., top : top + CROP, left : left + CROP] for part in (x, target[None])]
        axes = [axis for axis in (-1, -2) if random.random() < 0.5]
        parts = [part.flip(axes) for part in parts]
        if random.random() < 0.5:
            parts = [part.mT for part in parts]
        inputs.append(parts[0].float())
        targets.append(parts[1].float())
    return torch.stack(inputs).to(memory_format=torch.channels_last), torch.stack(targets)


@click.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="file of weights (.safetensors)")
@click.option("--minutes", type=float, default=30.0, show_default=True)
@click.option("--rate", type=float, default=2e-3, show_default=True, help="the highest learning rate")
@click.option("--batch", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(data: tuple[Path, ...], out: Path, minutes: float, rate: float, batch: int, workers: int, seed: int) -> None:
    """Trains on photographs that are damaged as they are read; goes on from FILE if it is there."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    network = ScratchDetector()
    if out.exists():
        network.load_state_dict({name: value.float() for name, value in load_file(out).items()})
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-4)
    source = iter(DataLoader(DamagedPictures(data, seed), batch_size=None, num_workers=workers))
    pool = [next(source) for _ in range(24)]
    average = {name: value.clone() for name, value in network.state_dict().items()}
    begun, recent, step = time.monotonic(), 0.0, 0
    while (share := (time.monotonic() - begun) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 100) * min(1.0, 2 * (1 - share) + 1e-3)
        pool.append(next(source))
        if len(pool) > POOL:
            pool.pop(int(random.integers(len(pool))))
        x, target = _crops(pool, batch, random)
        counts = (target >= 0).float()
        each = F.binary_cross_entropy_with_logits(network(x), target.clamp_min(0), reduction="none")
        loss = (each * counts).sum() / counts.sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        recent += 0.02 * (float(loss.detach()) - recent) if step > 1 else float(loss.detach())
        keep = min(0.995, step / (step + 20))
        for name, value in network.state_dict().items():
            average[name].lerp_(value, 1 - keep)
        if step % 100 == 0:
            click.echo(f"{time.monotonic() - begun:.0f} s, step {step}, loss {recent:.4f}", err=True)
            save_file({name: value.half().contiguous() for name, value in average.items()}, out)
    save_file({name: value.half().contiguous() for name, value in average.items()}, out)


if __name__ == "__main__":
    main()
