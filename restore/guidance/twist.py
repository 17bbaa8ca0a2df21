"""The twisting functions of TDS: likelihood of y and conditional samples where p(x0 | x) is N(D, C)."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from restore.guidance.moments import Moments
from restore.operators.krylov import Map, Products, conjugate_gradients_through, dot, gmres_through
from restore.operators.operator import Linear
from restore.problem import Problem


class Twist(ABC):
    """The model x0 | x ~ N(D, C), y = A x0 + sigma_y n, and a second observation of x0, g = x0 + z / sqrt(precision).

    With M = A C A' + sigma_y^2 and V = (C^-1 + precision)^-1 = C (1 + precision C)^-1,

        p(y | x) = N(A D, M),
        p(y | x, g) = N(A m, A V A' + sigma_y^2),    m = D + precision V (g - D).

    Log densities are (N, 1, 1, 1), up to constants. y has one measurement for each of the N pictures of `moments`.

    Args:
        iterations: of the solver.
        gmres: solve by GMRES, because the C of a learned prior is not symmetric; otherwise by conjugate gradients.
    """

    def __init__(self, problem: Problem[Linear], moments: Moments, y: Tensor, iterations: int, *, gmres: bool = False) -> None:
        self.operator: Linear = problem.operator
        self.variance = problem.sigma_y**2
        self.moments, self.y, self.iterations, self.gmres = moments, y, iterations, gmres

    @abstractmethod
    def seen(self) -> Tensor:
        """log p(y | x)."""

    @abstractmethod
    def conditioned(self, x0: Tensor, y: Tensor) -> Tensor:
        """x0 + C A' M^-1 (y - A x0)."""

    @abstractmethod
    def foretold(self, g: Tensor, precision: Tensor) -> Tensor:
        """log p(y | x, g)."""

    def _sharpened(self, v: Tensor, precision: Tensor) -> Tensor:
        """(1 + precision C)^-1 v. Few iterations suffice: the condition number is at most (sigma / s')^2."""
        covariance = self.moments.covariance
        return self._inverse(lambda u: u + precision * covariance(u), v, lambda u: u, tolerance=1e-3)

    def _inverse(self, matrix: Map, b: Tensor, precondition: Map, tolerance: float = 0.0) -> Tensor:
        return self._inverse_through(lambda p: (matrix(p), p), b, precondition, tolerance)

    def _inverse_through(self, products: Products, b: Tensor, precondition: Map, tolerance: float = 0.0) -> Tensor:
        if self.gmres:
            return gmres_through(products, b, self.iterations, precondition)
        return conjugate_gradients_through(products, b, self.iterations, precondition, tolerance)


class FullTwist(Twist):
    """For few measurements: forms the matrices, column by column, and includes determinants."""

    def __init__(self, problem: Problem[Linear], moments: Moments, y: Tensor, iterations: int, *, gmres: bool = False) -> None:
        super().__init__(problem, moments, y, iterations, gmres=gmres)
        units = torch.eye(y[0].numel(), dtype=y.dtype, device=y.device).reshape(-1, 1, *y.shape[1:])
        self._columns = [moments.covariance(self.operator.adjoint(unit.expand_as(y))) for unit in units]
        self._eigen = self._decomposed(self._columns)

    def seen(self) -> Tensor:
        return _law(self._eigen, self.y - self.operator(self.moments.mean))

    def conditioned(self, x0: Tensor, y: Tensor) -> Tensor:
        values, vectors = self._eigen
        r = (y - self.operator(x0)).flatten(1)[..., None]
        weights = (vectors @ ((vectors.mT @ r) / values[..., None]))[..., 0]
        columns = torch.stack(self._columns, dim=1)
        return x0 + (weights.reshape(*weights.shape, 1, 1, 1) * columns).sum(dim=1)

    def foretold(self, g: Tensor, precision: Tensor) -> Tensor:
        columns = [self._sharpened(column, precision) for column in self._columns]
        moved = torch.stack([precision * dot(column, g - self.moments.mean).flatten() for column in columns], dim=1)
        r = self.y - self.operator(self.moments.mean) - moved.reshape(self.y.shape)
        return _law(self._decomposed(columns), r)

    def _decomposed(self, columns: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Eigenvalues and vectors of A (columns) + sigma_y^2; infinite values for directions in its null space."""
        matrix = torch.stack([self.operator(column).flatten(1) for column in columns], dim=2)
        matrix = matrix + self.variance * torch.eye(matrix.shape[1], dtype=matrix.dtype, device=matrix.device)
        values, vectors = torch.linalg.eigh((matrix + matrix.mT) / 2)
        least = 100 * torch.finfo(values.dtype).eps * values[:, -1:]
        return torch.where(values > least, values, torch.inf), vectors


class IterativeTwist(Twist):
    """For many measurements: uses Krylov methods and leaves out determinants.

    The weights of particles are ratios of p(y | x') and p(y | x, g), whose determinants are equal for Gaussian pictures.
    """

    def __init__(
        self, problem: Problem[Linear], moments: Moments, y: Tensor, iterations: int, spread: Tensor, *, gmres: bool = False
    ) -> None:
        """spread: a scalar estimate of C, for the preconditioner."""
        super().__init__(problem, moments, y, iterations, gmres=gmres)
        self._spread = spread

    def seen(self) -> Tensor:
        r = self.y - self.operator(self.moments.mean)
        solved = self._inverse(lambda v: self._products(v)[0], r, self._precondition)
        return -dot(r, solved) / 2

    def conditioned(self, x0: Tensor, y: Tensor) -> Tensor:
        return x0 + self._inverse_through(self._products, y - self.operator(x0), self._precondition)

    def foretold(self, g: Tensor, precision: Tensor) -> Tensor:
        new = self.moments.covariance(g - self.moments.mean)
        mean = self.moments.mean + precision * self._sharpened(new, precision)
        r = self.y - self.operator(mean)
        # (A V A' + sigma_y^2)^-1 is the upper left block of the inverse covariance of (y, g). A product with that covariance
        # takes one product with C.
        split, spread = r[0].numel(), self._spread
        after = spread / (1 + precision * spread)

        def apart(v: Tensor) -> tuple[Tensor, Tensor]:
            a, b = v.flatten(1).split([split, g[0].numel()], dim=1)
            return a.reshape(r.shape), b.reshape(g.shape)

        def matrix(v: Tensor) -> Tensor:
            a, b = apart(v)
            product = self.moments.covariance(self.operator.adjoint(a) + b)
            return _joined(self.operator(product) + self.variance * a, product + b / precision)

        def precondition(v: Tensor) -> Tensor:  # The inverse, if C were the scalar `spread`.
            a, b = apart(v)
            a = self.operator.solve(a - self.operator(precision * after * b), after, self.variance)
            return _joined(a, (b - spread * self.operator.adjoint(a)) / (spread + 1 / precision))

        solved = self._inverse(matrix, _joined(r, torch.zeros_like(g)), precondition)
        return -dot(r, apart(solved)[0]) / 2

    def _products(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """M v and C A' v."""
        moved = self.moments.covariance(self.operator.adjoint(v))
        return self.operator(moved) + self.variance * v, moved

    def _precondition(self, r: Tensor) -> Tensor:
        return self.operator.solve(r, self._spread, self.variance)


def _law(eigen: tuple[Tensor, Tensor], r: Tensor) -> Tensor:
    """log N(r; 0, M) up to constants, (N, 1, 1, 1), from the eigenvalues and eigenvectors of M."""
    values, vectors = eigen
    fit = ((vectors.mT @ r.flatten(1)[..., None])[..., 0].square() / values).sum(dim=1)
    determinant = torch.where(values.isfinite(), values, 1.0).log().sum(dim=1)
    return -(fit + determinant).reshape(-1, 1, 1, 1) / 2


def _joined(a: Tensor, b: Tensor) -> Tensor:
    return torch.cat([a.flatten(1), b.flatten(1)], dim=1)[:, None, None]
