"""Noise as pictures have it: its level depends on brightness, and neighbouring pixels and channels share it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.errors import PictureError
from restore.operators.identity import Identity
from restore.operators.krylov import conjugate_gradients
from restore.operators.operator import Linear, per_picture

ITERATIONS = 8  # Of conjugate gradients; the preconditioner leaves little.
TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """Gaussian noise of covariance S = D^(1/2) (M x R) D^(1/2).

    D is the variance at a pixel, which depends on its brightness: photons are counted, and a camera's gamma and clipping bend
    that (Foi et al. 2008, "Practical Poissonian-Gaussian noise modeling", IEEE TIP 17). R is the correlation of neighbours,
    which demosaicing, scaling, film grain and compression bring, and M that of channels.

    Attributes:
        levels: (K,) rising, brightness in [-1, 1] at which the standard deviation is given; linear in between.
        deviation: (C, K), standard deviation of each channel there, in units of [-1, 1] pictures.
        correlation: (h, w), odd sides, the correlation of pixels by their offset; 1 in the middle, even.
        channels: (C, C), the correlation between channels; 1 on the diagonal.

    Raises: PictureError for other shapes or values.
    """

    levels: Tensor
    deviation: Tensor
    correlation: Tensor
    channels: Tensor

    def __post_init__(self) -> None:
        count = len(self.deviation)
        if self.deviation.shape != (count, len(self.levels)) or self.channels.shape != (count, count):
            raise PictureError(
                f"a noise model takes levels (K,), deviation (C, K) and channels (C, C), got {tuple(self.levels.shape)}, "
                f"{tuple(self.deviation.shape)} and {tuple(self.channels.shape)}"
            )
        if self.correlation.ndim != 2 or not all(side % 2 for side in self.correlation.shape):
            raise PictureError(f"correlation takes (h, w) with odd sides, got {tuple(self.correlation.shape)}")
        if bool((self.deviation < 0).any()):
            raise PictureError("a standard deviation cannot be negative")

    @classmethod
    def white(cls, sigma: float, channels: int = 3) -> NoiseModel:
        """White noise of one standard deviation in [-1, 1] units."""
        return cls(torch.zeros(1), torch.full((channels, 1), float(sigma)), torch.ones(1, 1), torch.eye(channels))

    @property
    def is_white(self) -> bool:
        """Whether neighbours and channels are independent and the level is the same everywhere, to a few percent."""
        least, most = self.deviation.min(), self.deviation.max()
        apart = self.channels - torch.eye(len(self.channels))
        return bool(most <= 1.1 * least) and self.is_spatially_white and bool(apart.abs().max() < 0.1)

    @cached_property
    def is_spatially_white(self) -> bool:
        others = self.correlation.abs().flatten().sort().values[:-1]
        return bool((others < 0.05).all())

    def scaled(self, strength: float) -> NoiseModel:
        """The same with so many times the standard deviation."""
        return replace(self, deviation=self.deviation * strength)

    def deviation_at(self, x: Tensor) -> Tensor:
        """The standard deviation at each sample of a clean picture x (B, C, H, W); the same shape."""
        if len(self.levels) == 1:
            return self.deviation.to(x).reshape(1, -1, 1, 1).expand_as(x)
        levels, deviation = self.levels.to(x), self.deviation.to(x)
        x = x.clamp(float(levels[0]), float(levels[-1]))
        upper = torch.searchsorted(levels, x.contiguous()).clamp(1, len(levels) - 1)
        share = (x - levels[upper - 1]) / (levels[upper] - levels[upper - 1])
        rows = torch.arange(x.shape[1], device=x.device).reshape(1, -1, 1, 1)
        return deviation[rows, upper - 1].lerp(deviation[rows, upper], share)

    def root_mean_square(self, y: Tensor) -> float:
        """The standard deviation over a picture y (B, C, H, W), in the mean of squares."""
        return float(self.deviation_at(smoothed(y)).square().mean().sqrt())

    def spectrum(self, size: tuple[int, int]) -> Tensor:
        """The power spectrum (H, W // 2 + 1) of the noise at unit variance on a picture (H, W): eigenvalues of a periodic R."""
        height, width = size
        rows, columns = self.correlation.shape
        # Offsets beyond the picture are folded onto it.
        spread = torch.zeros(size, dtype=torch.float64)
        down = (torch.arange(rows) - rows // 2) % height
        across = (torch.arange(columns) - columns // 2) % width
        spread.index_put_((down[:, None].expand(rows, columns), across.expand(rows, columns)), self.correlation.double(), True)
        return torch.fft.rfft2(spread).real.clamp_min(0)

    def draw(self, x: Tensor, white: Tensor) -> Tensor:
        """Noise for a clean picture x (B, C, H, W), from white noise of deviation 1 of the same shape."""
        coloured = _filtered(white, self.spectrum((x.shape[-2], x.shape[-1])).sqrt())
        values, vectors = torch.linalg.eigh(self.channels.double())
        root = (vectors * values.clamp_min(0).sqrt()) @ vectors.mT
        return self.deviation_at(x) * torch.einsum("ij,bjhw->bihw", root.to(x), coloured)

    def prox(self, operator: Linear, v: Tensor, y: Tensor, rho: Tensor | float) -> Tensor:
        """argmin_x (A x - y)' S^-1 (A x - y) + rho |x - v|^2, S for the brightness of A v.

        x = v + A' (A A' + rho S)^-1 (y - A v), by conjugate gradients; where noise of another level or none would be solved in
        closed form, that is the preconditioner.
        """
        seen = operator(v)
        deviation = self.deviation_at(smoothed(seen))
        rho = per_picture(rho, v)
        spectrum = self.spectrum((y.shape[-2], y.shape[-1])).to(v)
        mixing = self.channels.to(v)
        plain = operator if not isinstance(operator, Identity) else None

        def covariance(w: Tensor) -> Tensor:
            mixed = torch.einsum("ij,bjhw->bihw", mixing, deviation * w)
            return deviation * (mixed if self.is_spatially_white else _filtered(mixed, spectrum))

        def matrix(w: Tensor) -> Tensor:
            return (w if plain is None else operator(operator.adjoint(w))) + rho * covariance(w)

        mean = deviation.square().mean(dim=(1, 2, 3), keepdim=True)

        def precondition(r: Tensor) -> Tensor:
            if plain is None:
                return _filtered(r, 1 / (1 + rho * mean * spectrum))
            return operator.solve(r, 1.0, (rho * mean).flatten())

        w = conjugate_gradients(matrix, y - seen, ITERATIONS, precondition, TOLERANCE)
        return v + (w if plain is None else operator.adjoint(w))


def smoothed(x: Tensor, radius: int = 2) -> Tensor:
    """The mean over a square of so many pixels each way: brightness without its noise."""
    return F.avg_pool2d(x, 2 * radius + 1, stride=1, padding=radius, count_include_pad=False)


def _filtered(x: Tensor, gain: Tensor) -> Tensor:
    """x (B, C, H, W) with its frequencies multiplied by a gain (H, W // 2 + 1), periodic."""
    return torch.fft.irfft2(torch.fft.rfft2(x) * gain.to(x), s=x.shape[-2:])
