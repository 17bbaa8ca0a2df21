"""Schedules of noise levels: 1-d float32 tensors of sigma, in units of [-1, 1] pictures, falling to a last value of 0.

A schedule with `travel` also rises in between. Functions with `steps` raise UsageError for fewer than 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from restore.errors import UsageError


def karras(sigma_max: float, sigma_min: float, steps: int, rho: float = 7.0) -> Tensor:
    """EDM's schedule (Karras et al. 2022, 2206.00364, eq. 5): `steps` levels, evenly spaced in sigma^(1/rho), then 0."""
    ramp = torch.linspace(0, 1, _checked(steps), dtype=torch.float64)
    levels = (sigma_max ** (1 / rho) + ramp * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))) ** rho
    return _closed(levels)


def geometric(sigma_max: float, sigma_min: float, steps: int) -> Tensor:
    """`steps` levels in a geometric sequence (Song & Ermon 2019, 1907.05600, section 4), then 0."""
    return _closed(torch.logspace(math.log10(sigma_max), math.log10(sigma_min), _checked(steps), dtype=torch.float64))


def ddpm(levels: Tensor, steps: int, spacing: str = "linspace") -> Tensor:
    """At most `steps` of the trained levels (T,), falling, evenly spaced in time; then 0.

    Args:
        spacing: a key of `SPACINGS`.
    """
    count = min(_checked(steps), len(levels))
    return _closed(levels[SPACINGS[spacing](len(levels), count)])


def quadratic(levels: Tensor, steps: int) -> Tensor:
    """`steps` of the trained levels (T,), falling, spaced quadratically in time (DDIM's rule, appendix D.2); then 0.

    They are denser where sigma is small. Duplicates are dropped, so there may be fewer.
    """
    return _closed(levels[_even(len(levels), steps, power=2)])


def snap(schedule: Tensor, levels: Tensor) -> Tensor:
    """The schedule with each level moved to the nearest trained one in log sigma; repeats are dropped, zeros stay."""
    near = (schedule[:, None].double().log() - levels.double().log()).abs().argmin(dim=1)
    snapped = torch.where(schedule > 0, levels.double()[near], 0.0)  # A schedule with `travel` can reach 0 before its end, too.
    keep = torch.ones(len(snapped), dtype=torch.bool)
    keep[1:] = snapped[1:] != snapped[:-1]
    return snapped[keep].float()


def travel(schedule: Tensor, jump: int = 10, repeat: int = 10) -> Tensor:
    """RePaint's resampling (Lugmayr et al. 2022, 2201.09865, section 4.2): after every `jump` steps, go back and repeat them.

    Blocks of `jump` steps, counted from the end of the schedule, are taken `repeat` times each. The steps before the first
    block, 1 to `jump` of them, are taken once. The engine adds the noise where sigma rises again.

    Raises: UsageError unless jump and repeat are at least 1.
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


def _trailing(count: int, steps: int) -> Tensor:
    return count - (count * (1 - torch.arange(steps, dtype=torch.float64) / steps)).round().long()


def _leading(count: int, steps: int) -> Tensor:
    return (count - 1 - torch.arange(steps) * (count // steps)).flip(0)


def _even(count: int, steps: int, power: int) -> Tensor:
    """At most `steps` distinct indices into `count` falling levels, evenly spaced in t^(1/power), with t = 1 at the highest."""
    steps = min(_checked(steps), count)
    time = torch.linspace(1, 0, steps, dtype=torch.float64) ** power if steps > 1 else torch.ones(1, dtype=torch.float64)
    return ((count - 1) * (1 - time)).round().long().unique()


SPACINGS: dict[str, Callable[[int, int], Tensor]] = {
    "linspace": lambda count, steps: _even(count, steps, power=1),
    "trailing": _trailing,
    "leading": _leading,
    "distilled": lambda count, steps: torch.arange(steps) * count // steps,
}
"""Name -> indices into T falling levels, for T and a number of steps of at most T. Names and rules are those of
`timestep_spacing` in diffusers (Lin et al. 2024, 2305.08891, table 2), without its offset. linspace has both ends (DDIM's
linear rule, appendix D.2); trailing begins at the highest and ends one stride above the lowest, so that no evaluation is spent
on what has no noise; leading ends at the lowest, and begins below the highest, where a state has some of the picture left.
distilled is trailing, rounded as latent consistency models do it."""


def _closed(levels: Tensor) -> Tensor:
    return torch.cat([levels.double(), torch.zeros(1, dtype=torch.float64)]).float()


def _checked(steps: int) -> int:
    if steps < 1:
        raise UsageError(f"steps must be at least 1, got {steps}")
    return steps
