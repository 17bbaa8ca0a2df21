"""Pictures side by side on one canvas, whose patches are compared, and the pyramid of the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.operators.fill import pull_push

Lender = tuple[Tensor, Tensor]  # A picture (C, h, w), and what is known of it, bool (h, w).
CHUNK = 8192  # Patches that are compared at once: 5 MB for patches of 7 x 7 in colour.


@dataclass(frozen=True)
class Canvas:
    """A picture with holes at the top, and under it others that lend patches; nothing of a patch crosses from one to another.

    Attributes:
        pixels: (H, W, C) contiguous, in [-1, 1]; where nothing is known, a guess.
        known: bool (H, W).
        wanted: bool (H, W), the pixels to fill; what is neither known nor wanted is left as it is, and lends nothing.
        height: rows of the picture itself.
    """

    pixels: Tensor
    known: Tensor
    wanted: Tensor
    height: int

    @classmethod
    def of(cls, picture: Tensor, known: Tensor, wanted: Tensor, lenders: Sequence[Lender] = (), *, gap: int = 16) -> Canvas:
        """The canvas of a picture (C, H, W), bool masks (H, W) and others that lend patches; `gap` rows lie between them."""
        width = max(one.shape[-1] for one in (known, *(whole for _, whole in lenders)))
        rows, masks = [F.pad(picture, (0, width - picture.shape[-1], 0, 0))], [F.pad(known, (0, width - known.shape[-1]))]
        for lender, whole in lenders:
            rows.append(F.pad(lender, (0, width - lender.shape[-1], gap, 0)))
            masks.append(F.pad(whole, (0, width - whole.shape[-1], gap, 0)))
        pixels, mask = torch.cat(rows, dim=1).permute(1, 2, 0).contiguous(), torch.cat(masks)
        beyond = (0, width - wanted.shape[-1], 0, len(mask) - len(wanted))
        return cls(pixels, mask, F.pad(wanted, beyond), picture.shape[-2])

    @property
    def width(self) -> int:
        return self.pixels.shape[1]

    def targets(self, radius: int) -> Tensor:
        """Flat indices of the centres of patches that have a wanted pixel and lie in the picture."""
        touched = _grown(self.wanted, radius)
        return _flat(touched & self._inside(radius, self.height))

    def sources(self, radius: int) -> Tensor:
        """Flat indices of the centres of patches that are known whole."""
        return _flat(~_grown(~self.known, radius) & self._inside(radius, len(self.known)))

    def _inside(self, radius: int, height: int) -> Tensor:
        found = torch.zeros_like(self.known)
        found[radius : height - radius, radius : self.width - radius] = True
        return found

    def halved(self) -> Canvas:
        """The canvas at half the size: means of what is known among 2 x 2 pixels.

        A pixel is wanted where one of its four is, so that holes stay whole, and known where half of what there is are.
        """
        known = self.known.float()
        share = _pooled(known[None])
        pixels = _pooled(self.pixels.permute(2, 0, 1) * known) / share.clamp_min(1e-12)
        wanted = _pooled(self.wanted.float()[None])[0] > 0
        kept = (share[0] >= 0.5) & ~wanted
        return Canvas(pixels.permute(1, 2, 0).contiguous(), kept, wanted, -(-self.height // 2))

    def guessed(self) -> Canvas:
        """With a smooth continuation of the known pixels in place of the others."""
        x = self.pixels.permute(2, 0, 1)[None]
        smooth = pull_push(x, self.known.to(x.dtype).expand_as(x))[0].permute(1, 2, 0)
        return self.with_pixels(self.pixels.where(self.known[..., None], smooth).contiguous())

    def with_pixels(self, pixels: Tensor) -> Canvas:
        return Canvas(pixels, self.known, self.wanted, self.height)


def patches(pixels: Tensor, centres: Tensor, radius: int) -> Tensor:
    """Patches (N, (2 radius + 1)^2 C) around flat indices (N,) of centres, of pixels (H, W, C) that are contiguous."""
    height, width, channels = pixels.shape
    side = 2 * radius + 1
    strides = (width * channels, channels, width * channels, 1)
    windows = pixels.as_strided((height - side + 1, width - side + 1, side, side * channels), strides)
    return windows[centres // width - radius, centres % width - radius].flatten(1)


def distances(pixels: Tensor, centres: Tensor, others: Tensor, radius: int) -> Tensor:
    """Squared distances (N,) of patches around `centres` to those around `others`, both (N,)."""
    found = [
        (patches(pixels, one, radius) - patches(pixels, other, radius)).square().sum(dim=1)
        for one, other in zip(centres.split(CHUNK), others.split(CHUNK), strict=True)
    ]
    return torch.cat(found)


def _grown(mask: Tensor, radius: int) -> Tensor:
    """A mask (H, W) grown by a square."""
    return F.max_pool2d(mask.float()[None, None], 2 * radius + 1, stride=1, padding=radius)[0, 0] > 0


def _pooled(x: Tensor) -> Tensor:
    return F.avg_pool2d(x[None], 2, ceil_mode=True, count_include_pad=False)[0]


def _flat(mask: Tensor) -> Tensor:
    return mask.flatten().nonzero()[:, 0]
