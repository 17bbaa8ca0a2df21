"""Consistency of a restored picture with the measurement."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from restore.problem import Problem
from restore.tiling.regions import crop

ROWS = 512  # Rows per window where the operator can be cropped, which avoids temporary tensors of the picture's size.


@torch.no_grad()
def consistency(problem: Problem, restored: Tensor) -> float:
    """Root mean square of y - A(restored) in units of sigma_y, or in grey levels (0-255) where sigma_y is 0.

    With a constraint, y is the point of it nearest to A(restored). NaN if the shape is not the problem's.
    """
    if tuple(restored.shape) != tuple(problem.shape):
        return float("nan")
    height, width = restored.shape[-2:]
    total = 0.0
    for box in [(top, min(top + ROWS, height), 0, width) for top in range(0, height, ROWS)]:
        part = problem.operator.crop(box)
        # Where the operator cannot be cropped, y may have another size, and the box is none of its.
        constraint = None if part is None or problem.constraint is None else problem.constraint.crop(box)
        if part is None or (constraint is None) != (problem.constraint is None):
            total = float((problem.measurement(restored) - problem.operator(restored)).square().sum())
            break
        explained = part(crop(restored, box))
        y = crop(problem.y, box) if constraint is None else constraint.project(explained)
        total += float((y - explained).square().sum())
    residual = math.sqrt(total / problem.y.numel())
    return residual / problem.sigma_y if problem.sigma_y > 0 else residual * 127.5
