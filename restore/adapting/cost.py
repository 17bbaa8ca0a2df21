"""What a tuning adds to the estimated cost of a restoration."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from restore.adapting.tuning import EVERY, adapt, bytes_needed
from restore.options.length import Length
from restore.planning.estimate import Estimate
from restore.planning.plan import Plan


def with_tuning(found: Estimate, plans: Sequence[Plan], held: int) -> Estimate:
    """The estimate with the time and memory of a tuning, if the plans have one; a few steps and tests are tried.

    Args:
        held: bytes that the process uses already.
    """
    length = plans[0].adapt
    if length is None:
        return found
    return replace(
        found,
        seconds=found.seconds + _seconds(plans, length),
        peak=max(found.peak, held + bytes_needed(plans[-1])),
    )


def _seconds(plans: Sequence[Plan], length: Length) -> float:
    if length.seconds is not None or length.steps is None:
        return length.seconds or 0.0
    took = []
    for steps in (1, 3):  # The first one sets up libraries.
        began = time.perf_counter()
        for _ in adapt(plans, Length(steps=steps), 0):
            pass
        took.append(time.perf_counter() - began)
    step = max(0.0, took[1] - took[0]) / 2
    tests = max(0.0, took[0] - step) / 2
    return step * length.steps + tests * (1 + -(-length.steps // EVERY))
