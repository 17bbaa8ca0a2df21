"""Where the levels lie: sequences of sigma from high to 0. Every schedule is a 1-d float32 tensor that ends at 0."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from restore.errors import UsageError


def karras(sigma_max: float, sigma_min: float, steps: int, rho: float = 7.0) -> Tensor:
    """EDM's grid (Karras et al. 2022, 2206.00364, eq. 5): `steps` levels, then 0."""
    ramp = torch.linspace(0, 1, _checked(steps), dtype=torch.float64)
    levels = (sigma_max ** (1 / rho) + ramp * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))) ** rho
    return _closed(levels)


def geometric(sigma_max: float, sigma_min: float, steps: int) -> Tensor:
    """Levels in equal ratios (Song & Ermon 2019, 1907.05600, section 4): `steps` levels, then 0."""
    return _closed(torch.logspace(math.log10(sigma_max), math.log10(sigma_min), _checked(steps), dtype=torch.float64))


def ddpm(levels: Tensor, steps: int) -> Tensor:
    """`steps` of the trained levels (falling), evenly spaced in time as in DDIM's linear rule, then 0."""
    return _closed(levels[_even(len(levels), steps, power=1)])


def quadratic(levels: Tensor, steps: int) -> Tensor:
    """`steps` of the trained levels, spaced quadratically in time, denser where sigma is small (DDIM, appendix D.2).

    Levels that fall together are taken once.
    """
    return _closed(levels[_even(len(levels), steps, power=2)])


def snap(schedule: Tensor, levels: Tensor) -> Tensor:
    """Each level of the schedule moved to the nearest trained one (in log sigma); repeats fall away, zeros stay."""
    near = (schedule[:, None].double().log() - levels.double().log()).abs().argmin(dim=1)
    snapped = torch.where(schedule > 0, levels.double()[near], 0.0)  # A schedule that travels touches 0 on its way, too.
    keep = torch.ones(len(snapped), dtype=torch.bool)
    keep[1:] = snapped[1:] != snapped[:-1]
    return snapped[keep].float()


def travel(schedule: Tensor, jump: int = 10, repeat: int = 10) -> Tensor:
    """RePaint's time travel (Lugmayr et al. 2022, 2201.09865, section 4.2): every `jump` levels, climb back and redo them.

    Each stretch of `jump` steps but the first is walked `repeat` times; the engine adds the noise of a climb.
    """
    steps = len(schedule) - 1
    if jump < 1 or repeat < 1:
        raise UsageError(f"travel needs a jump and a repeat of at least 1, got {jump} and {repeat}")
    order = list(range(steps + 1))
    returns = {steps - t for t in range(0, steps - jump, jump)}
    walked: list[int] = []
    for index in order:
        walked.append(index)
        if index in returns:
            for _ in range(repeat - 1):
                walked.extend(range(index - jump, index + 1))
    return schedule[walked]


def _even(count: int, steps: int, power: int) -> Tensor:
    """Indices into falling levels, the highest first; time runs from 1 (highest) to 0."""
    steps = min(_checked(steps), count)
    time = torch.linspace(1, 0, steps, dtype=torch.float64) ** power if steps > 1 else torch.ones(1, dtype=torch.float64)
    return ((count - 1) * (1 - time)).round().long().unique()


def _closed(levels: Tensor) -> Tensor:
    return torch.cat([levels.double(), torch.zeros(1, dtype=torch.float64)]).float()


def _checked(steps: int) -> int:
    if steps < 1:
        raise UsageError(f"steps must be at least 1, got {steps}")
    return steps
