"""An explicit matrix, for vectors and small pictures."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from restore.errors import OperatorError
from restore.operators.operator import Spectral


class Dense(Spectral):
    """y = M x on flattened pictures, (B, C, H, W) -> (B, 1, 1, m).

    Args:
        matrix: (m, C * H * W). Singular values below 1e-10 of the largest count as 0.
        shape: (C, H, W) of the pictures.

    Raises: OperatorError if the matrix does not fit the shape.
    """

    def __init__(self, matrix: Tensor, shape: tuple[int, int, int]) -> None:
        if matrix.ndim != 2 or matrix.shape[1] != math.prod(shape):
            raise OperatorError(f"Dense takes a matrix (m, {math.prod(shape)}) for pictures {shape}, got {tuple(matrix.shape)}")
        u, s, vt = torch.linalg.svd(matrix.double(), full_matrices=False)
        rank = int((s > 1e-10 * s[:1].clamp_min(1e-300)).sum())
        self.shape = tuple(shape)
        self._u, self._s_values, self._vt = u[:, :rank], s[:rank], vt[:rank]

    @property
    def s(self) -> Tensor:
        return self._s_values.reshape(1, 1, 1, -1)

    def vt(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self._vt.to(x).T)[:, None, None]

    def v(self, coefficients: Tensor) -> Tensor:
        return (coefficients.flatten(1) @ self._vt.to(coefficients)).reshape(-1, *self.shape)

    def ut(self, y: Tensor) -> Tensor:
        return (y.flatten(1) @ self._u.to(y))[:, None, None]

    def u(self, coefficients: Tensor) -> Tensor:
        return (coefficients.flatten(1) @ self._u.to(coefficients).T)[:, None, None]
