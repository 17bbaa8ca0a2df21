"""A measurement problem: what was measured, how, and how noisily."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from restore.errors import OperatorError, PictureError
from restore.noise.model import NoiseModel
from restore.operators.constraint import Constraint
from restore.operators.operator import Linear, Operator

Kind = TypeVar("Kind", bound=Operator)


@dataclass(frozen=True)
class Problem(Generic[Kind]):
    """y = A(x) + n. `Problem[Linear]` is one whose operator is linear.

    Attributes:
        y: the measurement, with the shape of the operator's output.
        operator: A.
        sigma_y: standard deviation of the noise n, in units of [-1, 1] pictures; 0 means exact.
        shape: (B, C, H, W) of the picture wanted.
        start: (B or 1, C, H, W), an estimate of the picture. Runs that start below the prior's highest noise level start from
            it; None for the operator's initial estimate or pure noise.
        noise: the law of n, where it is not white noise of standard deviation sigma_y; sigma_y is its root mean square then.
        constraint: a set that A(x) + n lies in, where y is only a point of it, such as the cells of a JPEG's coefficients.
        clipped: whether samples of y at the ends of the range [-1, 1] were cut off there, after the noise came on them.
        only_missing: whether only the pixels that y leaves open are wanted, though the known ones are noisy.

    Raises: PictureError if y is no tensor of floats, or holds NaN or infinity, sigma_y is negative, or shape is none;
    OperatorError for what is no operator.
    """

    y: Tensor
    operator: Kind
    sigma_y: float
    shape: tuple[int, ...]
    start: Tensor | None = None
    noise: NoiseModel | None = None
    constraint: Constraint | None = None
    only_missing: bool = False
    clipped: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.y, Tensor) or not self.y.is_floating_point():
            found = str(self.y.dtype) if isinstance(self.y, Tensor) else type(self.y).__name__
            raise PictureError(f"y is a tensor of floats, got {found}")
        if not isinstance(self.operator, Operator):
            raise OperatorError(f"operator is a restore.operators.Operator, got a {type(self.operator).__name__}")
        if len(self.shape) != 4 or not all(isinstance(side, int) and side > 0 for side in self.shape):
            raise PictureError(f"shape is (B, C, H, W) of the picture wanted, got {self.shape}")
        if not finite(self.y):
            raise PictureError("the picture holds NaN or infinite values; give finite ones")
        if not (math.isfinite(self.sigma_y) and self.sigma_y >= 0):
            raise PictureError(f"the noise level must be zero or more, got {self.sigma_y}")

    def measurement(self, x: Tensor) -> Tensor:
        """The measurement nearest to A(x) among those that could have been made: y, unless a constraint leaves it open.

        With it, |A x - measurement(x)|^2 is the squared distance to the constraint, and a step that takes it for y
        minimises a majorizer of that distance (Hunter & Lange 2004, "A tutorial on MM algorithms").
        """
        return self.y if self.constraint is None else self.nearest(self.operator(x))

    def nearest(self, explained: Tensor) -> Tensor:
        """`measurement(x)` for `explained` = A(x), where that is known already."""
        return self.y if self.constraint is None else self.constraint.project(explained)

    def prox(self: Problem[Linear], v: Tensor, rho: Tensor | float) -> Tensor:
        """argmin_x (A x - y)' S^-1 (A x - y) + rho |x - v|^2, S the covariance of the noise; without noise, the x nearest v
        that explains y best.

        Args:
            v: (B, C, H, W).
            rho: >= 0, a number, () or (B,), in units of 1 / [-1, 1]^2.
        """
        y = self.y if self.constraint is None else self.constraint.prox(self.operator(v), rho)
        if self.noise is None or self.sigma_y == 0:
            return self.operator.prox(v, y, rho * self.sigma_y**2)
        return self.noise.prox(self.operator, v, y, rho)


@torch.no_grad()
def check_operator(problem: Problem) -> None:
    """Raises OperatorError unless the operator maps pictures of the problem's shape to the shape of y."""
    operator = problem.operator
    if not isinstance(operator, Operator):
        raise OperatorError(f"the operator must be a restore.operators.Operator, got a {type(operator).__name__}")
    try:
        measured = tuple(operator(problem.y.new_zeros(problem.shape)).shape)
    except RuntimeError as error:
        raise OperatorError(f"{type(operator).__name__} does not take pictures of shape {problem.shape}: {error}") from None
    if measured != tuple(problem.y.shape):
        raise OperatorError(
            f"{type(operator).__name__} takes pictures of shape {problem.shape} to {measured}, "
            f"but y has {tuple(problem.y.shape)}"
        )


def finite(x: Tensor) -> bool:
    """Whether a tensor holds neither NaN nor infinity; without another of its size, as `isfinite` makes some."""
    least, most = x.detach().aminmax()
    return math.isfinite(least) and math.isfinite(most)
