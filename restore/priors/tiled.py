"""A prior for pictures larger than what goes through the network at once."""

from __future__ import annotations

import torch
from torch import Tensor

from restore.errors import UsageError
from restore.priors.prior import Prior


class Tiled(Prior):
    """Evaluates overlapping windows and blends them, inside every call: guidance and data steps see the whole picture.

    Blending weights fall linearly to the window's edge over the overlap: where a window has little context it counts little,
    so no seam forms.

    Args:
        prior: evaluated on the windows.
        window: side of a window in pixels.
        overlap: pixels two neighbours share at least.
        wanted: bool (1, 1, H, W), true where an answer is needed; windows without such a pixel are skipped and answer x.
    """

    def __init__(self, prior: Prior, *, window: int = 512, overlap: int = 64, wanted: Tensor | None = None) -> None:
        super().__init__()
        if not 0 <= overlap < window:
            raise UsageError(f"windows of {window} pixels cannot overlap by {overlap}")
        self.prior, self.window, self.overlap, self.wanted = prior, window, overlap, wanted
        self.channels, self.context = prior.channels, prior.context
        self.sigma_min, self.sigma_max, self.levels = prior.sigma_min, prior.sigma_max, prior.levels
        self.sigma_start = prior.sigma_start

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if height <= self.window and width <= self.window:
            return self.prior(x, sigma)
        total, weights = torch.zeros_like(x), torch.zeros_like(x[:1, :1])
        for top, bottom, left, right in windows(
            height, width, self.window, self.overlap, multiple=self.prior.multiple_of, wanted=self.wanted
        ):
            weight = self._ramp(bottom - top, x)[:, None] * self._ramp(right - left, x)
            total[..., top:bottom, left:right] += weight * self.prior(x[..., top:bottom, left:right], sigma)
            weights[..., top:bottom, left:right] += weight
        return torch.where(weights > 0, total / weights.clamp_min(1e-12), x)

    def _ramp(self, length: int, like: Tensor) -> Tensor:
        """Weights of one side: 1 in the middle, falling to nearly 0 over the overlap at both ends."""
        position = torch.arange(length, device=like.device, dtype=like.dtype)
        edge = torch.minimum(position, length - 1 - position) + 0.5
        return (edge / self.overlap).clamp(max=1)


def windows(
    height: int, width: int, window: int, overlap: int, *, multiple: int = 1, wanted: Tensor | None = None
) -> list[tuple[int, int, int, int]]:
    """The windows (top, bottom, left, right) that cover a picture, or what is wanted of it.

    They start at multiples of `multiple`, so that a network that works on blocks of pixels sees the same blocks everywhere.
    """
    boxes = [
        (top, bottom, left, right)
        for top, bottom in _spans(height, window, overlap, multiple)
        for left, right in _spans(width, window, overlap, multiple)
    ]
    if wanted is None:
        return boxes
    return [box for box in boxes if bool(wanted[..., box[0] : box[1], box[2] : box[3]].any())]


def _spans(length: int, window: int, overlap: int, multiple: int) -> list[tuple[int, int]]:
    """Evenly spread spans that cover the length, neighbours sharing at least `overlap`; the last takes up the rounding."""
    if length <= window:
        return [(0, length)]
    count = -(-(length - overlap) // (window - overlap))
    starts = [index * (length - window) // (count - 1) // multiple * multiple for index in range(count)]
    return [(start, start + window) for start in starts[:-1]] + [(starts[-1], length)]
