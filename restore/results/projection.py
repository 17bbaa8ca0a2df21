"""Projection of restored pictures into [-1, 1], the range of a file, consistently with the measurement."""

from __future__ import annotations

from torch import Tensor

from restore.operators.operator import Linear
from restore.problem import Problem


def project(problem: Problem, x: Tensor, *, rounds: int = 30, tolerance: float = 1e-3) -> Tensor:
    """x in [-1, 1], by alternating projections onto that box and onto {A x = y} (Bregman 1965) if y is noiseless and A linear.
    With a constraint, y is the point of it nearest to A x.

    Otherwise x is clipped. Clipping alone would change A x at bright edges by several grey levels.

    Args:
        x: (1, C, H, W).
        rounds: the largest number of alternations.
        tolerance: stop when no value of A x - y is larger, in [-1, 1] units (1e-3 is an eighth of a grey level).

    Returns: (1, C, H, W) in [-1, 1].
    """
    operator = problem.operator
    x = x.clamp(-1, 1)
    if problem.sigma_y > 0 or not isinstance(operator, Linear):
        return x
    for _ in range(rounds):
        residual = problem.measurement(x) - operator(x)
        low, high = residual.detach().aminmax()
        if max(-float(low), float(high)) <= tolerance:
            break
        x = (x + operator.pinv(residual)).clamp(-1, 1)
    return x
