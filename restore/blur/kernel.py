"""The blur kernel of a shaken picture, from the picture alone."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 31  # Pixels; the largest kernel that is looked for.
LARGEST = 384  # Pixels; the side of the window that is looked at.
FINER, COARSEST = 2**0.5, 5  # Between scales; side of the kernel at the coarsest, in pixels.
ROUNDS = 5  # Of picture and kernel in turn, at each scale.
EDGES = 8e-3  # lambda.
STIFF, STIFFEST, STIFFER = 2.0, 1e5, 4.0  # beta: in units of lambda at first, at most, and how it grows.
SMOOTH = 40.0  # gamma.
STEPS = 150  # Of projected gradients.
FAINT, STRAY = 0.03, 0.1  # Values below this share of the largest, and groups of less of the sum, are no part of a kernel.
SMALLEST = 96  # Pixels; the least side of a picture whose kernel is looked for.


@dataclass(frozen=True)
class KernelEstimate:
    """A kernel and how far it can be trusted.

    Attributes:
        kernel: (h, w) float64 of sum 1, odd sides, its centre of mass at the middle.
        agreement: similarity (`similarity`) of the kernels that two halves of the picture give for themselves, 0 to 1.
    """

    kernel: Tensor
    agreement: float

    @property
    def widths(self) -> tuple[float, float]:
        """Standard deviations in pixels along the shortest and the longest axis."""
        rows, columns = (torch.arange(side) - side // 2 for side in self.kernel.shape)
        both = float((self.kernel * rows[:, None] * columns).sum())
        down, right = float((self.kernel.sum(1) * rows**2).sum()), float((self.kernel.sum(0) * columns**2).sum())
        least, most = np.linalg.eigvalsh([[down, both], [both, right]]).clip(0) ** 0.5
        return float(least), float(most)


def estimate_kernel(pixels: Tensor, side: int = SIDE) -> KernelEstimate | None:
    """Any kernel, as of a camera that shook.

    Picture and kernel are found in turn, from coarse to fine. The picture has few edges,
    min_x |k * x - y|^2 + lambda |grad x|_0 (Xu, Zheng & Jia 2013, "Unnatural L0 sparse representation for natural image
    deblurring", CVPR), by half-quadratic splitting, whose two steps have closed forms (Xu et al. 2011, "Image smoothing via L0
    gradient minimization", eq. 8 and 12). The kernel then explains gradients,
    min_k |k * grad x - grad y|^2 + gamma |k|^2 (Cho & Lee 2009, "Fast motion deblurring", eq. 7), of values that are not
    negative.

    Args:
        pixels: (1, C, H, W) in [-1, 1].
        side: odd, of the largest kernel, in pixels.

    Returns: the estimate from the window of up to 384 pixels with the steepest gradients; None for sides below 96.
    """
    luma = (pixels.mean(dim=1)[0].float().cpu() + 1) / 2
    if min(luma.shape) < SMALLEST:
        return None
    y = _window(luma)
    half = y.shape[1] // 2
    first, second = _estimated(y[:, :half], side), _estimated(y[:, half:], side)
    return KernelEstimate(_trimmed(_estimated(y, side)).double(), similarity(first, second))


def similarity(kernel: Tensor, other: Tensor) -> float:
    """The largest normalised cross-correlation of two kernels (h, w) over all shifts, since they say nothing of the place of
    the picture (Hu & Yang 2012, "Good regions to deblur", ECCV); 1 for the same, whatever their scale."""
    sides = [2 * max(sides) for sides in zip(kernel.shape, other.shape, strict=True)]
    spectra = [torch.fft.rfft2(k.double(), s=sides) for k in (kernel, other)]
    correlation = torch.fft.irfft2(spectra[0] * spectra[1].conj(), s=sides)
    return float(correlation.max()) / float(kernel.double().norm() * other.double().norm())


def _estimated(y: Tensor, side: int) -> Tensor:
    """A kernel (side, side) for luma (H, W) in [0, 1]."""
    sides = _scales(side)
    kernel = torch.zeros(sides[0], sides[0])
    kernel[sides[0] // 2, sides[0] // 2] = 1
    for now in sides:
        small = y
        if now < side:
            size = [max(2 * now, round(length * now / side)) for length in y.shape]
            small = torch.from_numpy(cv2.resize(y.numpy(), size[::-1], interpolation=cv2.INTER_AREA))
            kernel = kernel if len(kernel) == now else _enlarged(kernel, now)
        else:
            kernel = _enlarged(kernel, now)
        for _ in range(ROUNDS):
            kernel = _cleaned(_fitted(_with_few_edges(small, kernel), small, kernel))
        kernel = _centred(kernel)
    return kernel


def _with_few_edges(y: Tensor, kernel: Tensor) -> Tensor:
    """The picture (H, W) of few edges that a kernel makes y of, continued smoothly to the opposite border."""
    height, width = y.shape
    size = cv2.getOptimalDFTSize(height + len(kernel)), cv2.getOptimalDFTSize(width + len(kernel))
    k = torch.fft.rfft2(_spread(kernel, size))
    steps = [torch.tensor([[1.0, -1.0, 0.0]]), torch.tensor([[1.0], [-1.0], [0.0]])]
    gradient = torch.stack([torch.fft.rfft2(_spread(step, size)) for step in steps])
    given = torch.fft.rfft2(_continued(y, size))
    explained, steepness = k.conj() * given, gradient.abs().square().sum(dim=0)
    x, beta = given, STIFF * EDGES
    while beta < STIFFEST:
        slopes = torch.fft.irfft2(gradient * x, s=size)
        slopes = slopes * (slopes.square().sum(dim=0) >= EDGES / beta)
        wanted = (gradient.conj() * torch.fft.rfft2(slopes)).sum(dim=0)
        x = (explained + beta * wanted) / (k.abs().square() + beta * steepness)
        beta *= STIFFER
    return torch.fft.irfft2(x, s=size)[:height, :width]


def _fitted(x: Tensor, y: Tensor, start: Tensor) -> Tensor:
    """The kernel that makes the gradients of y of those of x (H, W)."""
    side, reach = len(start), len(start) // 2
    sharp, given = (torch.stack([v[1:, :-1] - v[:-1, :-1], v[:-1, 1:] - v[:-1, :-1]]).double() for v in (x, y))
    size = [cv2.getOptimalDFTSize(length + 2 * side) for length in x.shape]
    sharp, given = torch.fft.rfft2(sharp, s=size), torch.fft.rfft2(given, s=size)
    # The normal equations hold correlations of gradients alone.
    own = torch.fft.irfft2(sharp.abs().square().sum(dim=0), s=size)
    common = torch.fft.irfft2((sharp.conj() * given).sum(dim=0), s=size)
    offsets = torch.arange(-reach, reach + 1)
    rows, columns = (places.flatten() for places in torch.meshgrid(offsets, offsets, indexing="ij"))
    matrix = own[(rows[:, None] - rows) % size[0], (columns[:, None] - columns) % size[1]]
    matrix = matrix + SMOOTH * torch.eye(side**2, dtype=torch.float64)
    found = _not_negative(matrix, common[rows % size[0], columns % size[1]], start.flatten().double())
    return found.reshape(side, side).float()


def _not_negative(matrix: Tensor, b: Tensor, v: Tensor) -> Tensor:
    """argmin_v v'Mv / 2 - b'v over v >= 0, by accelerated projected gradients (Beck & Teboulle 2009)."""
    largest = torch.ones_like(b)
    for _ in range(10):
        largest = matrix @ (largest / largest.norm())
    rate, ahead, weight = 1 / (1.05 * largest.norm()), v, 1.0
    for _ in range(STEPS):
        before, v = v, (ahead - rate * (matrix @ ahead - b)).clamp_min(0)
        weight, previous = (1 + (1 + 4 * weight**2) ** 0.5) / 2, weight
        ahead = v + (previous - 1) / weight * (v - before)
    return v


def _cleaned(kernel: Tensor) -> Tensor:
    """Of sum 1, without what is faint or lies apart."""
    k = kernel.numpy()
    k = np.where(k < FAINT * k.max(), 0, k)
    count, groups = cv2.connectedComponents((k > 0).astype(np.uint8), connectivity=8)
    for group in range(1, count):
        if k[groups == group].sum() < STRAY * k.sum():
            k[groups == group] = 0
    if not k.sum() > 0:  # Nothing was explained.
        k[len(k) // 2, len(k) // 2] = 1
    return torch.from_numpy(k / k.sum())


def _centred(kernel: Tensor) -> Tensor:
    places = torch.arange(len(kernel)) - len(kernel) // 2
    return kernel.roll([-round(float((kernel.sum(dim=1 - axis) * places).sum())) for axis in (0, 1)], (0, 1))


def _trimmed(kernel: Tensor) -> Tensor:
    """Without empty margins, as long as the middle stays the middle."""
    used = torch.nonzero(kernel) - len(kernel) // 2
    rows, columns = (int(reach) for reach in used.abs().amax(dim=0))
    middle = len(kernel) // 2
    return kernel[middle - rows : middle + rows + 1, middle - columns : middle + columns + 1]


def _enlarged(kernel: Tensor, side: int) -> Tensor:
    found = torch.from_numpy(cv2.resize(kernel.numpy(), (side, side), interpolation=cv2.INTER_LINEAR))
    return found / found.sum()


def _scales(side: int) -> list[int]:
    """Sides of the kernel, odd, from the coarsest scale to the finest."""
    found = [side]
    while found[0] > COARSEST:
        smaller = int(found[0] / FINER) // 2 * 2 + 1
        found.insert(0, max(COARSEST, smaller if smaller < found[0] else found[0] - 2))
    return found


def _continued(y: Tensor, size: tuple[int, int]) -> Tensor:
    """y (H, W) with ramps to the opposite border, up to a size."""
    for axis in (0, 1):
        count = size[axis] - y.shape[axis]
        share = (torch.arange(1, count + 1) / (count + 1)).reshape((-1, 1) if axis == 0 else (1, -1))
        last, first = y.narrow(axis, y.shape[axis] - 1, 1), y.narrow(axis, 0, 1)
        y = torch.cat([y, (1 - share) * last + share * first], dim=axis)
    return y


def _spread(kernel: Tensor, size: tuple[int, int]) -> Tensor:
    height, width = kernel.shape
    found = torch.zeros(size)
    found[:height, :width] = kernel
    return found.roll((-(height // 2), -(width // 2)), dims=(0, 1))


def _window(luma: Tensor) -> Tensor:
    """The part of a large picture with the steepest gradients."""
    height, width = (min(LARGEST, side) for side in luma.shape)
    slopes = (luma[1:, :-1] - luma[:-1, :-1]).square() + (luma[:-1, 1:] - luma[:-1, :-1]).square()
    energy = F.avg_pool2d(slopes[None, None], (height - 1, width - 1), stride=8)[0, 0]
    top, left = (8 * at for at in divmod(int(energy.argmax()), energy.shape[1]))
    return luma[top : top + height, left : left + width].contiguous()
