"""Trains the network that estimates noise: `python -m restore.training.noise_estimator DATA... -o FILE`."""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from restore.noise.network import NoiseEstimator, band_energies, loss
from restore.training.damage import random_damage
from restore.training.data import load_crops

SIZE = 128  # Side of a crop in pixels.


def pair(crop: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A damaged crop (3, H, W) in [-1, 1] and what was added to it."""
    if random.random() < 0.1:
        crop = crop.mean(dim=0, keepdim=True).expand(3, -1, -1)
    clean = ((crop.permute(1, 2, 0).double() + 1) * 127.5).numpy()
    damaged = random_damage(random)(clean, random)
    if random.random() < 0.1:
        damaged = np.repeat(damaged[..., :1], 3, axis=2)
        clean = np.repeat(clean[..., :1], 3, axis=2)
    y = torch.from_numpy(damaged.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)
    return y, y - torch.from_numpy(clean / 127.5 - 1).permute(2, 0, 1).float()


@click.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="file of weights (.safetensors)")
@click.option("--steps", type=click.IntRange(min=1), default=6000, show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=12, show_default=True)
@click.option("--scales", default="0.5,0.35", show_default=True, help="sizes of the pictures, against their noise")
@click.option("--seed", default=0, show_default=True)
def main(data: tuple[Path, ...], out: Path, steps: int, batch: int, scales: str, seed: int) -> None:
    """Trains on random damage of clean pictures; goes on from FILE if it is there."""
    torch.manual_seed(seed)
    crops = load_crops(data, channels=3, size=SIZE, scales=tuple(map(float, scales.split(","))))
    network = NoiseEstimator()
    state = out.with_suffix(".state.pt")
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    first, average = 0, {name: value.clone() for name, value in network.state_dict().items()}
    if state.exists():
        saved = torch.load(state, weights_only=True)
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        first, average = saved["step"], saved["average"]
    begun, recent = time.monotonic(), 0.0
    for step in range(first, steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1.0, (step + 1) / 200) * min(1.0, (steps - step) / (0.5 * steps))
        random = np.random.default_rng((seed, step))
        pairs = [pair(crop, random) for crop in crops.batch(batch, seed, step)]
        y, noise = (torch.stack(part) for part in zip(*pairs, strict=True))
        with torch.no_grad():
            energies = band_energies(noise) + (0.29 / 127.5) ** 2 / 4
        with torch.autocast("cpu", torch.bfloat16):
            found = network(y)
        value = loss(found.float(), energies)
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        for name, weights in network.state_dict().items():
            average[name].lerp_(weights, max(0.01, 1 / (step + 1)))
        recent += (float(value.detach()) - recent) * max(0.01, 1 / (step - first + 1))
        if (step + 1) % 200 == 0 or step + 1 == steps:
            click.echo(f"{step + 1}/{steps} loss {recent:.4f} {time.monotonic() - begun:.0f} s")
            torch.save(
                {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1, "average": average},
                state,
            )
            save_file({name: value.half() for name, value in average.items()}, out)


if __name__ == "__main__":
    main()
