"""Pictures of a training run: the loss curve, and samples of the prior."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restore.files import write_atomically
from restore.priors.latent.conditions import Conditions
from restore.priors.prior import Prior
from restore.results.figures import Canvas, contact_sheet
from restore.sampling.samplers import ddim
from restore.solving.generate import sample, schedule_for

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 360, 64, 32, 24
GRID, TEXT, PALE, DARK = (224, 224, 224), (90, 90, 90), (190, 205, 235), (30, 80, 180)


def loss_curve(losses: Sequence[float], share: float = 0.04) -> Canvas:
    """The loss curve on a logarithmic scale: in pale the range of the losses in each pixel column, in dark the running mean.

    Args:
        losses: of every step, positive.
        share: length of the window of the running mean, as a share of all steps.

    Returns: (360, 720, 3) uint8 RGB.
    """
    values = np.asarray(losses, np.float64).clip(1e-12)
    smooth = _running_mean(values, max(1, round(share * len(values))))
    low, high = np.log10(np.quantile(values, 0.01)) - 0.05, np.log10(np.quantile(values, 0.995)) + 0.05
    canvas = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    steps = np.arange(1, len(values) + 1)

    def column(step: NDArray[np.int64]) -> NDArray[np.int64]:
        return (LEFT + step / len(values) * (WIDTH - LEFT - 12)).round().astype(np.int64)

    def row(value: NDArray[np.float64]) -> NDArray[np.int64]:
        share = ((np.log10(value) - low) / (high - low)).clip(0, 1)
        return (HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)).round().astype(np.int64)

    for tick in _ticks(low, high):
        height = int(row(np.array([tick]))[0])
        cv2.line(canvas, (LEFT, height), (WIDTH - 12, height), GRID, 1)
        _write(canvas, f"{tick:.3g}", (8, height + 4))
    for place in (0.0, 0.5, 1.0):
        text = f"{round(place * len(values))}" + (" steps" if place == 1 else "")
        width = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1)[0][0]
        _write(canvas, text, (min(int(LEFT + place * (WIDTH - LEFT - 12)), WIDTH - 8 - width), HEIGHT - 10))
    _write(canvas, "training loss and its running mean", (LEFT, 14))
    places = column(steps)
    for at in np.unique(places):
        inside = row(values[places == at])
        cv2.line(canvas, (int(at), int(inside.min())), (int(at), int(inside.max())), PALE, 1)
    line = np.stack([places, row(smooth)], axis=1).astype(np.int32)
    cv2.polylines(canvas, [line], False, DARK, 2, cv2.LINE_AA)
    return canvas


def samples(prior: Prior, size: int, classes: Sequence[str] | None = None, count: int = 16, steps: int = 20) -> Canvas:
    """A contact sheet of samples by DDIM (eta = 0), always from the same noise: unconditional ones, or two rows by class.

    Args:
        classes: names of the classes, of which the first eight are drawn.
    """
    device = next(prior.parameters()).device

    def drawn(prior: Prior, count: int) -> Tensor:
        return sample(prior, count, (size, size), ddim(0.0), schedule_for(prior, steps), seed=0, batch=count, device=device)

    if not classes:
        return contact_sheet(drawn(prior, count))
    shown = classes[: count // 2]
    pairs = torch.stack([drawn(prior.given(Conditions(label=name)), 2) for name in shown], dim=1)
    return contact_sheet(pairs.flatten(0, 1), columns=len(shown))


def pairs(given: Tensor, found: Tensor, columns: int = 8) -> Canvas:
    """A contact sheet of pictures (B, C, H, W), each row above what became of it."""
    both = [part for rows in zip(given.split(columns), found.clamp(-1, 1).split(columns), strict=True) for part in rows]
    return contact_sheet(torch.cat(both), columns=columns)


def write(path: Path, canvas: Canvas) -> None:
    """Write an RGB picture as PNG, whole or not at all."""
    write_atomically(path, cv2.imencode(".png", np.ascontiguousarray(canvas[..., ::-1]))[1].tobytes())


def _running_mean(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """The mean of the last `window` values at each position, of fewer at the start."""
    total = np.concatenate([[0.0], values.cumsum()])
    first = np.maximum(np.arange(1, len(total)) - window, 0)
    answer: NDArray[np.float64] = (total[1:] - total[first]) / (np.arange(1, len(total)) - first)
    return answer


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten within 10^low to 10^high; in a narrow range, three values evenly spread."""
    found = [m * 10.0**e for e in range(int(np.floor(low)), int(np.ceil(high)) + 1) for m in (1, 2, 5)]
    inside = [tick for tick in found if low <= np.log10(tick) <= high]
    return inside if len(inside) >= 2 else [float(10**level) for level in np.linspace(low, high, 3)]


def _write(canvas: Canvas, text: str, place: tuple[int, int]) -> None:
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, TEXT, 1, cv2.LINE_AA)
