"""Codecs and priors on their latents, trained on digits: reconstructions, samples by class, and halves filled.

    python -m benchmarks latent --data mnist-10k.npz --out runs/latent --results docs/reports/results/latent.jsonl
    python -m benchmarks latent --results docs/reports/results/latent.jsonl --table --into docs/reports/latent.md

DATA holds `images` (N, H, W) uint8 and `labels`; the last 500 are held out of all training. What OUT lacks is trained first
(`--codec-minutes`, `--minutes`). Samples and halves are judged by a small classifier of digits (`benchmarks/samplers`): the
Frechet distance on its features to the 500 held-out digits in percent of their variance, and the share that it reads as the
class that was asked for. OUT/*.png show them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import Results, Row, arguments, by, report, table
from benchmarks.latent import digits
from benchmarks.latent.training import CODECS, HELD_OUT, PRIORS, train
from benchmarks.samplers.frechet import fitted, floor, judge, percent
from restore import Restorer, pretrained
from restore.images import as_picture, write
from restore.results.figures import contact_sheet

KEY = ("part", "model", "how")
SCALES = (1.0, 1.5, 3.0)
PER_CLASS, FILLED = 50, 100
# Model, method, and whether it is told the class.
HALVES = (
    ("pixels", "repaint", False),
    ("latent-kl", "blended-latents", False),
    ("latent-vq", "blended-latents", False),
    ("pixels", "repaint", True),
    ("latent-kl", "blended-latents", True),
    ("latent-vq", "blended-latents", True),
    ("latent-kl", "latent-dps", True),
)


def sheet(path: Path, x: Tensor, columns: int) -> None:
    write(path, as_picture(contact_sheet(x, columns=columns)), overwrite=True)


def measure(given: argparse.Namespace, results: Results) -> None:
    out: Path = given.out
    train(given.data, out, given.codec_minutes, given.minutes, given.only)
    loaded = np.load(given.data)
    images = torch.from_numpy(loaded["images"])[:, None].float() / 127.5 - 1
    labels = torch.from_numpy(loaded["labels"].astype(np.int64))
    held, told = images[-HELD_OUT:], labels[-HELD_OUT:].tolist()
    order = torch.randperm(len(images) - HELD_OUT, generator=torch.Generator().manual_seed(0))
    taught, spare = order[: len(order) // 2], order[len(order) // 2 :]
    network = judge(out / "classifier.pt", images[taught], labels[taught])
    real = fitted(network, held)

    def trained(model: str) -> Row:
        state = torch.load(out / model / "training.pt", weights_only=True)
        return {"steps": state["step"], "minutes": round(state["seconds"] / 60, 1)}

    for kind in (name for name in CODECS if given.only in name):

        def reconstructed(kind: str = kind) -> Row:
            row, found = digits.reconstruction(out / kind, held)
            both = torch.stack([held[:40].unflatten(0, (2, 20)), found[:40].unflatten(0, (2, 20))], dim=1)
            sheet(out / f"reconstructed-{kind}.png", both.flatten(0, 2), 20)
            return {"part": "codec", "model": kind, "how": "", **row, **trained(kind)}

        results.take(("codec", kind, ""), reconstructed)

    def real_digits() -> Row:
        mean, std = floor(network, images[spare], real, 10 * PER_CLASS)
        right = (network(held).argmax(1) == torch.tensor(told)).float().mean()
        return {"part": "samples", "model": "real digits", "how": "", "distance": mean, "std": std, "right": 100 * float(right)}

    results.take(("samples", "real digits", ""), real_digits)
    for model in (name for name in PRIORS if given.only in name):
        for scale in SCALES:

            def sampled(model: str = model, scale: float = scale) -> Row:
                asked = [label for label in range(10) for _ in range(PER_CLASS)]
                found = digits.drawn(pretrained.prior(str(out / model)), asked, scale, (held.shape[-2], held.shape[-1]))
                sheet(out / f"samples-{model}-{scale:g}.png", found.unflatten(0, (10, PER_CLASS))[:, :16].flatten(0, 1), 16)
                row = digits.judged(network, found, asked, real)
                return {"part": "samples", "model": model, "how": f"{scale:g}", **row, **trained(model)}

            results.take(("samples", model, f"{scale:g}"), sampled)
    hidden, named = held[:FILLED], told[:FILLED]
    for model, guidance, is_told in (one for one in HALVES if given.only in one[0]):
        how = f"{guidance}, {'told' if is_told else 'not told'}"

        def filled(model: str = model, guidance: str = guidance, is_told: bool = is_told, how: str = how) -> Row:
            restorer = Restorer.from_pretrained(str(out / model), device="cpu", dtype="float32")
            found, seconds = digits.halves(restorer, hidden, named, guidance, is_told)
            sheet(
                out / f"halves-{model}-{how.replace(', ', '-').replace(' ', '-')}.png",
                torch.cat([hidden[:20], found[:20], hidden[20:40], found[20:40]]),
                20,
            )
            row = {**digits.half_psnr(found, hidden), **digits.judged(network, found, named, real)}
            return {"part": "halves", "model": model, "how": how, **row, "seconds": round(seconds, 3)}

        results.take(("halves", model, how), filled)

    def true_halves() -> Row:
        row = {"distance": percent(fitted(network, hidden), real), **digits.judged(network, hidden, named, real)}
        return {"part": "halves", "model": "the digits themselves", "how": "", **row}

    results.take(("halves", "the digits themselves", ""), true_halves)


def tables(rows: list[Row]) -> list[str]:
    ordered = sorted(rows, key=lambda row: (row["how"] if row["part"] == "halves" else "", row["model"], row["how"]))
    of = {part: [row for row in ordered if row["part"] == part] for part in ("codec", "samples", "halves")}
    codecs = (
        ("codec", "{model}"),
        ("steps", "{steps}"),
        ("minutes", "{minutes}"),
        ("numbers a digit", "{numbers}"),
        ("codes in use", lambda row: f"{row['used']} of {row['codes']}" if "used" in row else ""),
        ("PSNR", "{psnr:.2f} ± {error:.2f}"),
    )
    samples = (
        ("prior", "{model}"),
        ("guidance scale", "{how}"),
        ("steps of training", lambda row: row.get("steps", "")),
        ("Frechet distance, %", lambda row: f"{row['distance']:.1f}" + (f" ± {row['std']:.1f}" if "std" in row else "")),
        ("read as asked, %", "{right:.1f}"),
    )
    halves = (
        ("prior", "{model}"),
        ("method, class", "{how}"),
        ("PSNR of the half", lambda row: f"{row['psnr']:.2f} ± {row['error']:.2f}" if "psnr" in row else ""),
        ("Frechet distance, %", "{distance:.1f}"),
        ("read as it is, %", "{right:.1f}"),
    )
    return [table(columns, of[part]) for part, columns in (("codec", codecs), ("samples", samples), ("halves", halves))]


def main() -> None:
    parser = arguments(__doc__, "data", "results", "out", "table", "into", "only", codec_minutes=9.0, minutes=12.0)
    report(parser, by(*KEY), measure, tables)
