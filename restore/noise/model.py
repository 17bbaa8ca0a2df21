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
FLAT = 0.03  # Nats: what a correlation of neighbours of 0.09 makes of the flatness of the spectrum.


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """Gaussian noise of covariance S = D B' R B D, of pictures (B, C, H, W).

    D is the standard deviation at a pixel, which depends on its brightness: photons are counted, and a camera's gamma and
    clipping bend that (Foi et al. 2008, "Practical Poissonian-Gaussian noise modeling", IEEE TIP 17). B turns channels into
    luma and chroma, and R holds, for each of these, the correlation of neighbours that demosaicing, scaling, film grain and
    compression bring.

    Attributes:
        levels: (K,) rising, brightness in [-1, 1] at which the standard deviation is given; linear in between.
        deviation: (C, K), standard deviation of each channel there, in units of [-1, 1] pictures; of the noise as it is in the
            picture, which is less than it was where the ends of the range clipped it.
        correlation: (C, h, w), odd sides: the covariance of the components `basis` by their offset in pixels, at a deviation
            of 1; even, and the mean of its middles is 1.

    Raises: PictureError for other shapes or values.
    """

    levels: Tensor
    deviation: Tensor
    correlation: Tensor

    def __post_init__(self) -> None:
        count = len(self.deviation)
        if self.deviation.shape != (count, len(self.levels)) or count not in (1, 3):
            raise PictureError(
                f"a noise model takes levels (K,) and deviation (1 or 3, K), got {tuple(self.levels.shape)} and "
                f"{tuple(self.deviation.shape)}"
            )
        if self.correlation.ndim != 3 or len(self.correlation) != count or not all(n % 2 for n in self.correlation.shape[1:]):
            raise PictureError(f"correlation takes ({count}, h, w) with odd sides, got {tuple(self.correlation.shape)}")
        if bool((self.deviation < 0).any()):
            raise PictureError("a standard deviation cannot be negative")

    @classmethod
    def white(cls, sigma: float, channels: int = 3) -> NoiseModel:
        """White noise of one standard deviation in [-1, 1] units."""
        return cls(torch.zeros(1), torch.full((channels, 1), float(sigma)), torch.ones(channels, 1, 1))

    @property
    def is_white(self) -> bool:
        """Whether neighbours and channels are independent and the level is the same everywhere, to a few percent."""
        return self.is_uniform and self.is_uncorrelated

    @property
    def is_uniform(self) -> bool:
        """Whether the level is the same everywhere, to a few percent."""
        return bool(self.deviation.max() <= 1.1 * self.deviation.min())

    @cached_property
    def is_uncorrelated(self) -> bool:
        """Whether neighbours and channels are as good as independent: the spectrum is flat.

        Flatness is the geometric mean of the power spectrum over the arithmetic one (Johnston 1988).
        """
        spectrum = self.spectrum((64, 64)).clamp_min(1e-6)
        return float(spectrum.mean().log() - spectrum.log().mean()) < FLAT

    @property
    def neighbours(self) -> float:
        """The correlation of neighbouring pixels in luma, in the mean of both directions."""
        luma = self.correlation[0]
        row, column = luma.shape[0] // 2, luma.shape[1] // 2
        beside = [luma[row + 1, column]] if row else []
        beside += [luma[row, column + 1]] if column else []
        return float(sum(beside, luma.new_zeros(())) / (2 * luma[row, column].clamp_min(1e-9)))

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
        """The power spectrum (C, H, W // 2 + 1) of each component at a deviation of 1, on a periodic picture (H, W)."""
        height, width = size
        count, rows, columns = self.correlation.shape
        # Offsets beyond the picture are folded onto it.
        spread = torch.zeros(count, height, width, dtype=torch.float64)
        down = ((torch.arange(rows) - rows // 2) % height)[:, None].expand(rows, columns)
        across = ((torch.arange(columns) - columns // 2) % width).expand(rows, columns)
        for component, correlation in zip(spread, self.correlation.double(), strict=True):
            component.index_put_((down, across), correlation, accumulate=True)
        return torch.fft.rfft2(spread).real.clamp_min(0)

    def draw(self, x: Tensor, white: Tensor) -> Tensor:
        """Noise for a clean picture x (B, C, H, W), from white noise of deviation 1 of the same shape."""
        return self.deviation_at(x) * filtered(white, self.spectrum((x.shape[-2], x.shape[-1])).sqrt())

    def prox(self, operator: Linear, v: Tensor, y: Tensor, rho: Tensor | float) -> Tensor:
        """argmin_x (A x - y)' S^-1 (A x - y) + rho |x - v|^2, S for the brightness of A v.

        x = v + A' (A A' + rho S)^-1 (y - A v), by conjugate gradients. The preconditioner is the solution for white noise, or,
        where A is the identity, for noise of one level.
        """
        seen = operator(v)
        rho = per_picture(rho, v)
        deviation = self.deviation_at(smoothed(seen))
        spectrum = self.spectrum((y.shape[-2], y.shape[-1])).to(v)
        mean = deviation.square().mean(dim=(1, 2, 3), keepdim=True)
        identity = isinstance(operator, Identity)

        def covariance(w: Tensor) -> Tensor:
            return deviation * (deviation * w if self.is_uncorrelated else filtered(deviation * w, spectrum))

        def measured(r: Tensor) -> Tensor:
            """The part of r that A can answer: noise where nothing was measured, as under a mask, does not count."""
            return operator(operator.pinv(r))

        def matrix(w: Tensor) -> Tensor:
            if identity:
                return w + rho * covariance(w)
            return operator(operator.adjoint(w)) + rho * measured(covariance(w))

        def precondition(r: Tensor) -> Tensor:
            return filtered(r, 1 / (1 + rho * mean * spectrum)) if identity else operator.solve(r, 1.0, (rho * mean).flatten())

        residual = y - seen if identity else measured(y - seen)
        if identity and (self.is_uniform or self.is_uncorrelated):
            # One of the two factors is a number: the closed form.
            w = precondition(residual) if self.is_uniform else residual / (1 + rho * deviation**2)
        else:
            w = conjugate_gradients(matrix, residual, ITERATIONS, precondition, TOLERANCE)
        return v + (w if identity else operator.adjoint(w))


def basis(channels: int) -> Tensor:
    """Orthonormal rows (C, C): luma, and blue against red, and green against both; 1 for gray."""
    if channels == 1:
        return torch.ones(1, 1)
    rows = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]])
    return rows / rows.norm(dim=1, keepdim=True)


def smoothed(x: Tensor, radius: int = 2) -> Tensor:
    """The mean over a square of so many pixels each way: brightness without its noise."""
    return F.avg_pool2d(x, 2 * radius + 1, stride=1, padding=radius, count_include_pad=False)


def filtered(x: Tensor, gain: Tensor) -> Tensor:
    """x (B, C, H, W), each component with its frequencies multiplied by a gain (C, H, W // 2 + 1), periodic."""
    rows = basis(x.shape[1]).to(x)
    components = torch.einsum("ij,bjhw->bihw", rows, x)
    filtered = torch.fft.irfft2(torch.fft.rfft2(components) * gain.to(x), s=x.shape[-2:])
    return torch.einsum("ij,bihw->bjhw", rows, filtered)
