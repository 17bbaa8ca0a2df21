"""What is measured of codecs and priors of small pictures: reconstructions, samples by class, and halves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import Row
from benchmarks.metrics import psnr
from benchmarks.samplers.frechet import Classifier, fitted, percent
from restore import Restorer
from restore.priors.latent.conditions import Conditions
from restore.priors.loaders import codec_folder
from restore.sampling.samplers import dpmpp_2m
from restore.solving.generate import sample, schedule_for

STEPS = 20
Moments = tuple[Tensor, Tensor]


@torch.no_grad()
def reconstruction(folder: Path, x: Tensor) -> tuple[Row, Tensor]:
    """PSNR of pictures (N, C, H, W) that went through a codec, rounded to 8 bits, the mean over pictures."""
    codec = codec_folder.load(folder)
    z = codec.encode(x)
    found = rounded(codec.decode(z, (x.shape[-2], x.shape[-1])))
    each = [psnr(one, other, peak=2.0) for one, other in zip(found, x, strict=True)]
    row = {"psnr": float(np.mean(each)), "error": float(np.std(each, ddof=1) / len(each) ** 0.5), "numbers": z[0].numel()}
    network = codec.network
    if hasattr(network, "quantize"):
        used = network.quantize(z)[2][2]
        row |= {"codes": network.config.num_vq_embeddings, "used": len(used.unique())}
    return row, found


def rounded(x: Tensor) -> Tensor:
    """The nearest values of 8 bits, in [-1, 1]."""
    return ((x.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def drawn(prior: Any, labels: Sequence[int], scale: float, size: tuple[int, int]) -> Tensor:
    """A sample of each label, (N, C, H, W), by DPM-Solver++(2M); labels in groups."""
    found = []
    for label in sorted(set(labels)):
        told = prior.given(Conditions(label=str(label), guidance_scale=scale))
        count = labels.count(label)
        found.append(sample(told, count, size, dpmpp_2m(), schedule_for(told, STEPS), seed=label, batch=count))
    return rounded(torch.cat(found))


def halves(restorer: Restorer, truth: Tensor, labels: Sequence[int], guidance: str, told: bool) -> tuple[Tensor, float]:
    """Digits whose right half was hidden and filled, (N, 1, H, W), and seconds a picture."""
    side = truth.shape[-1]
    mask = np.zeros(truth.shape[-2:], np.uint8)
    mask[:, side // 2 :] = 255
    pictures = ((truth[:, 0] + 1) * 127.5).round().to(torch.uint8).numpy()
    pictures[:, :, side // 2 :] = 0
    found, start = [], time.perf_counter()
    for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        named = {"label": str(label)} if told else {}
        options: dict[str, Any] = {"mask": mask, "mask_grow": 0, "sigma": 0, "name": str(index), "steps": STEPS, **named}
        answer = restorer("inpaint", picture, guidance=guidance, **options).image
        found.append(torch.from_numpy(np.asarray(answer, np.uint8).reshape(picture.shape)))
    seconds = (time.perf_counter() - start) / len(found)
    return torch.stack(found)[:, None].float() / 127.5 - 1, seconds


def judged(network: Classifier, found: Tensor, labels: Sequence[int], real: Moments) -> Row:
    """The Frechet distance to real digits, and how often the classifier reads what was asked for, in percent."""
    right = (network(found).argmax(1) == torch.tensor(labels)).float().mean()
    return {"distance": percent(fitted(network, found), real), "right": 100 * float(right)}


def half_psnr(found: Tensor, truth: Tensor) -> Row:
    """PSNR in dB of the right halves, the mean over pictures, at most 60."""
    side = truth.shape[-1]
    pairs = zip(found[..., side // 2 :], truth[..., side // 2 :], strict=True)
    each = [min(psnr(one, other, peak=2.0), 60.0) if not torch.equal(one, other) else 60.0 for one, other in pairs]
    return {"psnr": float(np.mean(each)), "error": float(np.std(each, ddof=1) / len(each) ** 0.5)}
