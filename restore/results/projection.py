"""Answers that a file can hold: inside [-1, 1], and still consistent with the measurement."""

from __future__ import annotations

from torch import Tensor

from restore.operators.operator import Linear
from restore.problem import Problem


def project(problem: Problem, x: Tensor, *, rounds: int = 30, tolerance: float = 1e-3) -> Tensor:
    """x moved into [-1, 1] by projections in turn on that box and on {A x = y} (Bregman 1965), where y is exact.

    Clipping alone would break the measurement at bright edges by several grey levels.

    Args:
        x: (1, C, H, W).
        tolerance: largest deviation of A x from y at which to stop, in [-1, 1] units (1e-3 is an eighth of a grey level).

    Returns: (1, C, H, W) in [-1, 1].
    """
    operator = problem.operator
    x = x.clamp(-1, 1)
    if problem.sigma_y > 0 or not isinstance(operator, Linear):
        return x
    for _ in range(rounds):
        residual = problem.y - operator(x)
        low, high = residual.aminmax()
        if max(-float(low), float(high)) <= tolerance:
            break
        x = (x + operator.pinv(residual)).clamp(-1, 1)
    return x
