"""How well an answer agrees with the measurement."""

from __future__ import annotations

import math

from torch import Tensor

from restore.problem import Problem
from restore.tiling.regions import crop

ROWS = 512  # Looked at together where the measurement allows it, so that no more pictures of the whole size are made.


def consistency(problem: Problem, restored: Tensor) -> float:
    """Root mean square of y - A(answer) in units of sigma_y, or of grey levels where sigma_y is 0; NaN for another shape."""
    if tuple(restored.shape) != tuple(problem.shape):
        return float("nan")
    height, width = restored.shape[-2:]
    total = 0.0
    for box in [(top, min(top + ROWS, height), 0, width) for top in range(0, height, ROWS)]:
        part = problem.operator.crop(box)
        if part is None:
            total = float((problem.y - problem.operator(restored)).square().sum())
            break
        total += float((crop(problem.y, box) - part(crop(restored, box))).square().sum())
    residual = math.sqrt(total / problem.y.numel())
    return residual / problem.sigma_y if problem.sigma_y > 0 else residual * 127.5
