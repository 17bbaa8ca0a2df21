"""Default methods for a point estimate, by the measurement: those of built-in tasks and of all others."""

from __future__ import annotations

from restore.compression import settings_of
from restore.guidance import Denoising, Guidance, PnP, Whitening
from restore.guidance.pnp import ENLARGING, FILLING
from restore.guidance.two_scales import TwoScales
from restore.noise.rounding import ROUNDED
from restore.operators import ComposeLinear, Downsample, Identity, Linear, Mask, OpenBlur
from restore.operators.jpeg_cells import JPEGCells
from restore.problem import Problem


def default_estimate(problem: Problem) -> Guidance | None:
    """The method; None for an operator that is not linear."""
    operator, cells = problem.operator, problem.constraint if isinstance(problem.constraint, JPEGCells) else None
    if isinstance(operator, Identity):
        if cells is not None and problem.sigma_y == 0:
            return settings_of(cells).method()
        if problem.constraint is None:
            return Denoising() if problem.noise is None or problem.noise.is_uncorrelated else Whitening()
    if isinstance(operator, Mask) and problem.sigma_y == 0:
        return FILLING
    if isinstance(operator, Downsample):
        return _enlarging(problem, cells)
    if isinstance(operator, OpenBlur):
        # `python -m benchmarks deblur-weight`: with less weight, or in more steps, runs drift away from the truth.
        return PnP(weight=0.8 if cells is None else 2.0, sigma_start=1.0, most=6 if cells is None else 8)
    if isinstance(operator, ComposeLinear) and problem.sigma_y > ROUNDED and problem.y.shape[1] == problem.shape[1]:
        return _enlarging(problem, cells)  # What several operators leave of a photograph is still one, and is cleaned first.
    return PnP() if isinstance(operator, Linear) else None


def _enlarging(problem: Problem, cells: JPEGCells | None) -> Guidance:
    if problem.sigma_y == 0:
        return ENLARGING
    if problem.sigma_y <= ROUNDED:
        return PnP(weight=0.8, most=10)
    if cells is not None:
        own = settings_of(cells)
        first = PnP(weight=own.weight, sigma_start=own.sigma_start, sigma_end=own.sigma_end)
        return TwoScales(first=first, first_steps=own.steps)
    return TwoScales(first=PnP(sigma_start=max(0.05, 4 * problem.sigma_y)))
