"""Properties that every operator, prior and guidance must have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from restore.engine import reverse
from restore.guidance.guidance import Guidance
from restore.operators.operator import Linear, Operator, Spectral
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling.noise import Noise, seed_for
from restore.testing.asserting import asserting

RHOS = (0.0, 1e-3, 0.3, 20.0)


@asserting
def check_operator(operator: Operator, shape: Sequence[int], *, dtype: torch.dtype = torch.float64, seed: int = 0) -> None:
    """Checks an operator: A A+ A = A; `initial_estimate`, `missing_mask` and `crop` keep their contracts; inputs do not change.

    Args:
        shape: (B, C, H, W) of pictures that the operator takes.
        dtype: of the pictures drawn. The tolerance is 1e-9 of the largest value (at least 1) in float64, 1e-4 in float32.
        seed: of the pictures.
    """
    draw = _Draw(dtype, seed)
    x = draw(shape)
    before = x.clone()
    y = operator(x)
    kept = y.clone()
    _same(operator(x), y, "A(x) twice", tolerance=0)
    assert y.dtype == dtype, f"A(x) is {y.dtype} for a picture of {dtype}"
    explained = operator.pinv(y)
    assert explained.shape == x.shape, f"pinv returns {tuple(explained.shape)} for pictures {tuple(x.shape)}"
    _same(operator(explained), y, "A(pinv(A(x))) == A(x)")
    estimate = operator.initial_estimate(y)
    assert estimate.shape == x.shape, f"initial_estimate returns {tuple(estimate.shape)} for pictures {tuple(x.shape)}"
    assert bool(estimate.isfinite().all()), "initial_estimate holds NaN or infinite values"

    missing = operator.missing_mask(shape)
    if missing is not None:
        assert missing.dtype == torch.bool, f"missing_mask is {missing.dtype}, not bool"
        assert missing.shape == (1, 1, *shape[-2:]), f"missing_mask is {tuple(missing.shape)}, not (1, 1, H, W)"
        _same(explained * ~missing, x * ~missing, "pinv(A(x)) == x outside missing_mask")

    for box in _boxes(*shape[-2:]):
        window = operator.crop(box)
        if window is not None:
            top, bottom, left, right = box
            cropped = x[..., top:bottom, left:right]
            _same(window(cropped), y[..., top:bottom, left:right], f"crop({box})(x cropped) == A(x) cropped")
    _same(x, before, "x after the operator's calls", tolerance=0)
    _same(y, kept, "y after the operator's calls", tolerance=0)


@asserting
def check_linear(operator: Linear, shape: Sequence[int], *, dtype: torch.dtype = torch.float64, seed: int = 0) -> None:
    """`check_operator`, and: A is linear, <A x, y> = <x, A'y>, `prox` and `solve` satisfy their linear systems."""
    check_operator(operator, shape, dtype=dtype, seed=seed)
    draw = _Draw(dtype, seed + 1)
    a, b = draw(shape), draw(shape)
    _same(operator(2.5 * a - b), 2.5 * operator(a) - operator(b), "A(2.5 a - b) == 2.5 A(a) - A(b)")
    y = draw(operator(a).shape)
    _same((operator(a) * y).sum(), (a * operator.adjoint(y)).sum(), "<A x, y> == <x, A'y>", scale=float(a.norm() * y.norm()))
    _same(
        operator.adjoint(operator(operator.pinv(y)) - y), torch.zeros_like(a), "A'(A A+ y - y) == 0", scale=float(y.abs().max())
    )

    per_picture = torch.tensor([0.1 * 3**index for index in range(shape[0])], dtype=dtype)
    levels: list[Tensor | float] = [*RHOS, *(torch.tensor(rho, dtype=dtype) for rho in RHOS), per_picture]
    v = draw(shape)
    for rho in levels:
        x = operator.prox(v, y, rho)
        wanted = operator.adjoint(y) + _column(rho) * v
        _same(operator.adjoint(operator(x)) + _column(rho) * x, wanted, f"prox: (A'A + rho) x == A'y + rho v at rho = {rho}")
        # The limit at rho = 0 changes v in the row space only.
        moved = x - v
        _same(operator.pinv(operator(moved)), moved, f"prox - v lies in the row space of A at rho = {rho}")

        r = operator(draw(shape))
        for scale in (0.5, per_picture):
            z = operator.solve(r, scale, rho)
            answer = _column(scale) * operator(operator.adjoint(z)) + _column(rho) * z
            _same(answer, r, f"solve: (scale A A' + shift) z == r for r in the range of A, scale = {scale}, shift = {rho}")
            _same(operator(operator.pinv(z)), z, f"solve returns z in the range of A, scale = {scale}, shift = {rho}")


@asserting
def check_spectral(operator: Spectral, shape: Sequence[int], *, dtype: torch.dtype = torch.float64, seed: int = 0) -> None:
    """`check_linear`, and: A = U diag(s) V' with s > 0 and orthonormal U and V."""
    check_linear(operator, shape, dtype=dtype, seed=seed)
    draw = _Draw(dtype, seed + 2)
    x, s = draw(shape), operator.s.to(dtype)
    y = draw(operator(x).shape)
    assert bool((s > 0).all()), "singular values must be positive"
    _same(operator.u(s * operator.vt(x)), operator(x), "A == U diag(s) V'")
    for name, away, back, start in (("v", operator.v, operator.vt, x), ("u", operator.u, operator.ut, y)):
        coefficients = back(start)
        other = draw(coefficients.shape)
        _same(back(away(coefficients)), coefficients, f"{name}t {name} == 1 on coefficients")
        _same(away(coefficients).norm(), coefficients.norm(), f"{name} keeps norms")
        inner = (away(other) * start).sum()
        _same(
            inner, (other * coefficients).sum(), f"{name}t is the adjoint of {name}", scale=float(other.norm() * start.norm())
        )


@asserting
def check_prior(
    prior: Prior, *, sigma: float = 0.3, sizes: Sequence[tuple[int, int]] = ((16, 16), (7, 11)), seed: int = 0
) -> None:
    """Checks a prior: D has the size of x, each picture of a batch has its own sigma, x is unchanged, D is differentiable.

    Args:
        sigma: the noise level to check at, and at its double; both in the prior's range.
        sizes: (H, W) of the pictures; they need not be multiples of `multiple_of`.
        seed: of the pictures.
    """
    for size in sizes:
        x = _Draw(torch.float32, seed)((2, prior.channels, *size))
        before = x.clone()
        levels = torch.tensor([sigma, 2 * sigma])
        both = prior(x, levels)
        assert both.shape == x.shape, f"D is {tuple(both.shape)} for pictures {tuple(x.shape)}"
        assert both.dtype == x.dtype, f"D is {both.dtype} for pictures of {x.dtype}"
        assert bool(both.isfinite().all()), "D holds NaN or infinite values"
        for index in range(2):
            single = prior(x[index : index + 1], levels[index])
            _same(both[index : index + 1], single, f"D of picture {index} of a batch at size {size}")
        _same(x, before, "x after the prior's call", tolerance=0)
        x.requires_grad_()
        (gradient,) = torch.autograd.grad(prior(x, levels).sum(), x)
        assert bool(gradient.isfinite().all()), "the gradient of D holds NaN or infinite values"


@asserting
def check_guidance(guidance: Guidance, problem: Problem, prior: Prior, *, steps: int = 6, seed: int = 0) -> None:
    """Checks a guidance: results are finite, y is unchanged, equal seeds give equal results, a batch equals single runs.

    Args:
        problem: of N >= 2 pictures, one y each, whose operator treats every picture alike. Check one with sigma_y = 0, too.
        steps: transitions of a run.
        seed: of the runs.
    """
    guidance.check(problem)
    before = problem.y.clone()
    seeds = [seed_for(seed, sample=index) for index in range(problem.shape[0])]
    answer = _run(guidance, problem, prior, seeds, steps)
    assert answer.shape == problem.shape, f"the result is {tuple(answer.shape)}, the problem's shape is {problem.shape}"
    assert bool(answer.isfinite().all()), f"the result holds NaN or infinite values at sigma_y = {problem.sigma_y}"
    _same(problem.y, before, "y after a run", tolerance=0)
    _same(_run(guidance, problem, prior, seeds, steps), answer, "the same run twice", tolerance=0)
    for index, one in enumerate(seeds):
        single = replace(problem, y=problem.y[index : index + 1], shape=(1, *problem.shape[1:]))
        alone = _run(guidance, single, prior, [one], steps)
        _same(answer[index : index + 1], alone, f"picture {index} of a batch against its single run")


def _run(guidance: Guidance, problem: Problem, prior: Prior, seeds: Sequence[int], steps: int) -> Tensor:
    schedule = guidance.schedule(prior, problem, steps)
    *_, answer = reverse(problem, prior, guidance, guidance.sampler(), schedule, Noise(seeds))
    return answer


class _Draw:
    def __init__(self, dtype: torch.dtype, seed: int) -> None:
        self.dtype, self.generator = dtype, torch.Generator().manual_seed(seed)

    def __call__(self, shape: Sequence[int]) -> Tensor:
        return torch.randn(tuple(shape), generator=self.generator, dtype=torch.float64).to(self.dtype)


def _column(value: Tensor | float) -> Tensor | float:
    """A number, or numbers (B,) as (B, 1, 1, 1) to broadcast over (B, C, H, W)."""
    return value.reshape(-1, 1, 1, 1) if isinstance(value, Tensor) and value.ndim else value


def _boxes(height: int, width: int) -> list[tuple[int, int, int, int]]:
    return [
        (0, height, 0, width),
        (height // 3, height, 0, (width + 1) // 2),
        (height // 2, height // 2 + 1, width // 2, width),
    ]


def _same(found: Tensor, wanted: Tensor, law: str, *, tolerance: float | None = None, scale: float | None = None) -> None:
    """Raises AssertionError unless found equals wanted up to tolerance * scale; scale is by default the largest value wanted,
    and at least 1."""
    assert found.shape == wanted.shape, f"{law}: shape {tuple(found.shape)}, expected {tuple(wanted.shape)}"
    if found.numel() == 0:
        return
    if tolerance is None:
        tolerance = 1e-9 if found.dtype == torch.float64 else 1e-4
    scale = max(1.0, float(wanted.abs().max())) if scale is None else max(1.0, scale)
    error = float((found - wanted).abs().max())
    assert error <= tolerance * scale, f"{law}: off by {error:.3g}, allowed {tolerance * scale:.3g}"
