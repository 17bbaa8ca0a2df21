"""Krylov methods for matrices given by their products with vectors.

Every function solves one system per picture of a batch: inner products are sums over (C, H, W).

The `_through` functions return K v for the solution v of M v = b, where M contains K (as A K + sigma^2). They take a map to
both products M p and K p. v is a combination of the search directions p, so K v needs no further product.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]
Inner = Callable[[Tensor, Tensor], Tensor]
Products = Callable[[Tensor], tuple[Tensor, Tensor]]  # p -> M p, K p


def dot(a: Tensor, b: Tensor) -> Tensor:
    """The inner product of each picture, (B, 1, 1, 1)."""
    return (a * b).sum(dim=(1, 2, 3), keepdim=True)


def conjugate_gradients(
    matrix: Map, b: Tensor, iterations: int, precondition: Map = lambda r: r, tolerance: float = 0.0
) -> Tensor:
    """v with M v = b for symmetric positive M, by preconditioned conjugate gradients (Hestenes & Stiefel 1952).

    Each picture stops when its residual is down to rounding error, or to `tolerance` times b. A direction of zero or negative
    curvature, which a learned covariance can have, also stops it, so v stays finite, and for singular M it is the
    pseudo-inverse's. Residuals are orthogonalised: otherwise rounding errors grow a million times in a few steps for spectra as
    wide as a covariance's, and v depends on the batch.
    """
    found = conjugate_gradients_through(lambda p: (matrix(p), p), b, iterations, precondition, tolerance)
    return found.expand_as(b)


def conjugate_gradients_through(
    products: Products, b: Tensor, iterations: int, precondition: Map = lambda r: r, tolerance: float = 0.0
) -> Tensor:
    """K v; see `conjugate_gradients`. With 0 iterations it is a scalar 0, since the shape of K v is then unknown."""
    kv = torch.zeros((), dtype=b.dtype, device=b.device)
    return _conjugate_gradients(products, kv, b, iterations, precondition, tolerance, dot, orthogonal=True)


def relax(
    matrix: Map, start: Tensor, residual: Tensor, iterations: int, precondition: Map = lambda r: r, inner: Inner = dot
) -> Tensor:
    """Improves an approximate solution of M v = b by conjugate gradients, for large grids.

    Residuals are not orthogonalised, which would store one copy of the grid per iteration.

    Args:
        start: the approximate v.
        residual: b - M v for it.
        inner: the inner product, broadcasting over v; by default one per picture.
    """
    return _conjugate_gradients(
        lambda p: (matrix(p), p), start, residual, iterations, precondition, 0.0, inner, orthogonal=False
    )


def _conjugate_gradients(
    products: Products,
    kv: Tensor,
    r: Tensor,
    iterations: int,
    precondition: Map,
    tolerance: float,
    inner: Inner,
    *,
    orthogonal: bool,
) -> Tensor:
    """K v for M v = b, from K v and the residual r at the start."""
    z = precondition(r)
    p, rz = z, inner(r, z)
    # Where residuals stay orthogonal, the search ends at rounding: in the residual, and in the curvature of a singular M. A
    # grid's M is not singular but of wide spectrum, and a small residual is no small error: there all iterations are taken.
    number = torch.finfo(r.dtype)
    least = 10 * number.eps if orthogonal else 0.0
    # Squares next to the smallest numbers have few digits: steps made of them grow again, without bound.
    enough = (rz * max(least, tolerance) ** 2).clamp_min(number.tiny / number.eps)
    steepest = torch.zeros_like(rz)
    seen = [(r, z, rz)]
    for _ in range(iterations):
        q, kp = products(p)
        curvature = inner(p, q)
        slope = torch.where(rz > enough, curvature / inner(p, p), 0.0)
        steepest = torch.maximum(steepest, slope)
        going = slope > least * steepest
        step = torch.where(going, rz / curvature, 0.0)
        kv, r = kv + step * kp, r - step * q
        if not bool(going.any()):
            break
        if orthogonal:
            for _ in range(2):
                for old_r, old_z, old in seen:
                    r = r - torch.where(old > 0, inner(r, old_z) / old, 0.0) * old_r
        z = precondition(r)
        rz, previous = torch.where(going, inner(r, z), 0.0), rz
        if orthogonal:
            seen.append((r, z, rz))
        p = z + torch.where(going, rz / previous, 0.0) * p
    return kv


def gmres(matrix: Map, b: Tensor, iterations: int, precondition: Map) -> Tensor:
    """Solves M v = b for any M by left-preconditioned GMRES (Saad & Schultz 1986): the least preconditioned residual."""
    return gmres_through(lambda p: (matrix(p), p), b, iterations, precondition)


def gmres_through(products: Products, b: Tensor, iterations: int, precondition: Map) -> Tensor:
    """K v; see `gmres`."""
    b, images = precondition(b), []

    def matrix(p: Tensor) -> Tensor:
        q, kp = products(p)
        images.append(kp)
        return precondition(q)

    _, hessenberg = krylov(matrix, b, iterations)
    target = torch.zeros(len(b), hessenberg.shape[1], 1, dtype=b.dtype, device=b.device)
    target[:, 0, 0] = dot(b, b).sqrt().flatten()
    weights = torch.linalg.pinv(hessenberg) @ target  # Columns of zeros, where the space is exhausted, get 0.
    return combine(images, weights[..., 0])


def square_root(matrix: Map, z: Tensor, iterations: int) -> Tensor:
    """M^(1/2) z for symmetric M >= 0 by Lanczos' method (Chow & Saad 2014, "Preconditioned Krylov subspace methods for
    sampling multivariate Gaussian distributions"): with white z, noise of covariance M."""
    basis, hessenberg = krylov(matrix, z, iterations)
    square = hessenberg[:, :iterations]
    values, vectors = torch.linalg.eigh((square + square.mT) / 2)
    weights = (vectors * values.clamp(min=0).sqrt()[:, None]) @ vectors[:, 0, :, None]
    return combine(basis, weights[..., 0] * dot(z, z).sqrt().flatten(1))


def krylov(matrix: Map, b: Tensor, iterations: int) -> tuple[list[Tensor], Tensor]:
    """Arnoldi's method: an orthonormal basis q_1.. of {b, M b, ..} and H (B, iterations + 1, iterations) with M Q = Q H.

    Where a picture's space is exhausted its further vectors are zero.
    """
    basis = [_unit(b, torch.zeros_like(dot(b, b)))]
    hessenberg = torch.zeros(len(b), iterations + 1, iterations, dtype=b.dtype, device=b.device)
    for column in range(iterations):
        w = matrix(basis[-1])
        least = 100 * torch.finfo(b.dtype).eps * dot(w, w).sqrt()
        for _ in range(2):  # Twice, because rounding leaves a component along the older vectors.
            for row, q in enumerate(basis):
                share = dot(q, w)
                w = w - share * q
                hessenberg[:, row, column] += share.flatten()
        basis.append(_unit(w, least))
        hessenberg[:, column + 1, column] = torch.where(dot(w, w).sqrt() > least, dot(w, w).sqrt(), 0.0).flatten()
    return basis, hessenberg


def combine(basis: list[Tensor], weights: Tensor) -> Tensor:
    """The sum of basis vectors by weights (B, n)."""
    total = torch.zeros_like(basis[0])
    for q, weight in zip(basis, weights.unbind(1), strict=False):
        total = total + weight.reshape(-1, 1, 1, 1) * q
    return total


def _unit(v: Tensor, least: Tensor) -> Tensor:
    length = dot(v, v).sqrt()
    return torch.where(length > least, v / length, 0.0)
