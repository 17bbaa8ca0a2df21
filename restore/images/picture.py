"""A picture with everything that its file needs besides pixels."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from restore.errors import PictureError
from restore.images.alpha import resize_alpha
from restore.images.colour import FOREIGN, FOREIGN_JPEG, ColourSpace, space_of_gamma, space_of_profile
from restore.images.jpeg import Jpeg
from restore.images.metadata import Metadata
from restore.images.samples import Samples, to_gray_or_rgb, to_samples
from restore.problem import finite

Kind = Literal["bilevel", "gray", "colour", "palette", "cmyk"]


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture: pixels to restore, and what `write` needs to make a file of the same kind. Immutable.

    Attributes:
        pixels: (1, C, H, W) float32 in [-1, 1]; C = 1 for bilevel and gray, 3 (RGB) otherwise. Where alpha is 0, the colours
            are a smooth continuation of the visible ones; `write` restores those of the file.
        kind: bilevel (1-bit), gray, colour, palette or cmyk; whether there is transparency shows in `alpha` alone.
        depth: bits per sample, 8 or 16 (8 for bilevel, palette and cmyk).
        alpha: (H, W) uint8 or uint16, or None.
        metadata: with EXIF orientation 1.
        raw: the samples of the file, without alpha, EXIF orientation applied: (H, W) for gray, palette indices or 0/1,
            (H, W, 3) RGB, (H, W, 4) CMYK; None once the size or the number of channels has changed.
        palette: (N, 4) uint8 RGBA for kind palette, else None.
        jpeg: how a JPEG was compressed, with its file for coefficients; else None.
    """

    pixels: Tensor
    kind: Kind
    depth: int
    alpha: Samples | None = None
    metadata: Metadata = field(default_factory=Metadata)
    raw: Samples | None = None
    palette: Samples | None = None
    jpeg: Jpeg | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.pixels.shape[2], self.pixels.shape[3]

    def with_pixels(self, pixels: Tensor) -> Picture:
        """The same kind of picture with other pixels.

        A new size resamples alpha and drops `raw`. A new number of channels (as after colorization) changes the kind to gray or
        colour and drops the colour profile, which describes the old channels.

        Args:
            pixels: (1, C, H, W), any real dtype and device, nominally in [-1, 1]; values outside are clipped on writing.

        Raises: PictureError for another shape, and for values that are not finite.
        """
        pixels = pixels.to("cpu", torch.float32)
        if pixels.ndim != 4 or pixels.shape[0] != 1 or pixels.shape[1] not in (1, 3) or 0 in pixels.shape:
            raise PictureError(f"pixels of shape {tuple(pixels.shape)} are not a picture; expected (1, 1 or 3, height, width)")
        if not finite(pixels):
            raise PictureError("the restored picture holds values that are not finite; try another dtype or guidance")
        same_channels = pixels.shape[1] == self.pixels.shape[1]
        size = (pixels.shape[2], pixels.shape[3])
        keeps_raw = same_channels and size == self.size
        metadata = self.metadata if size == self.size else self.metadata.for_size(*size)
        return dataclasses.replace(
            self,
            pixels=pixels,
            kind=self.kind if same_channels else "gray" if pixels.shape[1] == 1 else "colour",
            alpha=self.alpha if self.alpha is None or size == self.size else resize_alpha(self.alpha, *size),
            metadata=metadata if same_channels else metadata.without_profile(),
            raw=self.raw if keeps_raw else None,
            palette=self.palette if same_channels else None,
            jpeg=self.jpeg if keeps_raw else None,
        )

    def without_colour(self) -> Picture:
        """The picture as one channel if all of its channels are equal, as in gray scans saved as RGB; otherwise itself."""
        if self.pixels.shape[1] == 1 or not bool((self.pixels == self.pixels[:, :1]).all()):
            return self
        return dataclasses.replace(self, pixels=self.pixels[:, :1])

    def with_channels(self, like: Picture) -> Picture:
        """The inverse of `without_colour` for a result: one channel repeated where the picture it was made of has three."""
        if self.pixels.shape[1] == like.pixels.shape[1] or self.pixels.shape[1] != 1:
            return self
        return dataclasses.replace(self, pixels=self.pixels.expand(-1, like.pixels.shape[1], -1, -1))

    def in_srgb(self) -> Picture:
        """The picture with pixels in sRGB if its own numbers mean something far from that (see `FOREIGN`); otherwise itself.

        A converted picture knows no JPEG any more, since coefficients are of its own numbers.
        """
        space = self._space()
        if space is None or space.distance(self.pixels) < (FOREIGN if self.jpeg is None else FOREIGN_JPEG):
            return self
        return dataclasses.replace(self, pixels=space.to_srgb(self.pixels), jpeg=None)

    def with_colours_of(self, given: Picture, shown: Picture) -> Picture:
        """The inverse of `in_srgb` for a result: pixels in the space of the picture it was made of, if that was converted.

        Pixels that did not change are those of `given`, bit for bit. A result whose profile was dropped, as after colorization,
        stays in sRGB.

        Args:
            shown: `given.in_srgb()`.
        """
        space = given._space()
        kept = (self.metadata.icc, self.metadata.png_colour) == (given.metadata.icc, given.metadata.png_colour)
        if space is None or shown is given or not kept:
            return self
        pixels = space.from_srgb(self.pixels)
        if pixels.shape == given.pixels.shape:
            pixels = torch.where((self.pixels == shown.pixels).all(dim=1, keepdim=True), given.pixels, pixels)
        return dataclasses.replace(self, pixels=pixels)

    def _space(self) -> ColourSpace | None:
        """The colour space of the file's numbers; None if it says nothing, or nothing that can be used."""
        if self.kind not in ("gray", "colour"):
            return None
        channels = self.pixels.shape[1]
        if self.metadata.icc is not None:
            return space_of_profile(self.metadata.icc, channels)
        gamma = dict(self.metadata.png_colour).get(b"gAMA")
        if gamma is None or b"sRGB" in dict(self.metadata.png_colour):
            return None
        return space_of_gamma(int.from_bytes(gamma, "big") / 100000, channels)

    def reveal(self, mask: Tensor) -> Picture:
        """The same picture, opaque where `mask`, bool (1, 1, H, W), is True, so that what was filled there is visible.

        Raises: PictureError for a mask of another shape.
        """
        if self.alpha is None:
            return self
        if tuple(mask.shape) != (1, 1, *self.size):
            raise PictureError(f"a mask of shape {tuple(mask.shape)} does not fit the picture; expected {(1, 1, *self.size)}")
        full = np.iinfo(self.alpha.dtype).max
        alpha = np.where(mask[0, 0].cpu().numpy(), full, self.alpha).astype(self.alpha.dtype)
        return dataclasses.replace(self, alpha=alpha)

    def samples(self) -> Samples:
        """The pixels as samples of a file: gray (H, W, 1) or RGB (H, W, 3), uint8 or uint16, without alpha.

        Fully transparent pixels have the colour of the file.
        """
        samples = to_samples(self.pixels, self.depth)
        if self.raw is None or self.alpha is None or self.alpha.all():
            return samples
        return np.where(self.alpha[..., None] == 0, to_gray_or_rgb(self.kind, self.raw, self.palette), samples)
