"""Tables of abar_t for discrete chains."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from restore.errors import PriorError

Schedule = Literal["linear", "cosine"]


def alphas_cumprod(schedule: Schedule, steps: int = 1000) -> Tensor:
    """abar_t of a chain of `steps` steps: (steps,), float64, falling.

    "linear": beta_t rises from 1e-4 to 0.02 at 1000 steps (Ho et al. 2020, section 4). At another number of steps all beta_t
    are scaled by 1000 / steps, so that the whole chain adds about as much noise.
    "cosine": abar_t = f(t) / f(0), f(t) = cos^2(pi/2 (t / T + 0.008) / 1.008), with beta_t at most 0.999 (Nichol & Dhariwal
    2021, eq. 17).

    Raises: PriorError for another schedule, or for 20 steps or fewer, where a scaled beta_t would reach 1.
    """
    if schedule not in get_args(Schedule) or steps <= 20:
        raise PriorError(
            f"a table needs a schedule of {', '.join(get_args(Schedule))} and over 20 steps, got {schedule!r}, {steps}"
        )
    if schedule == "linear":
        betas = torch.linspace(1e-4, 0.02, steps, dtype=torch.float64) * 1000 / steps
    else:
        time = torch.arange(steps + 1, dtype=torch.float64) / steps
        wave = ((time + 0.008) / 1.008 * math.pi / 2).cos() ** 2
        betas = (1 - wave[1:] / wave[:-1]).clamp(max=0.999)
    return (1 - betas).cumprod(0)
