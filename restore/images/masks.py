"""Masks: the pixels to fill."""

from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from restore.errors import PictureError, UsageError
from restore.images.convert import as_picture
from restore.images.picture import Picture
from restore.images.samples import to_gray_or_rgb


def read_mask(mask: Any, size: tuple[int, int], *, invert: bool = False, grow: int = 0, resize: bool = False) -> Tensor:
    """Read a mask for a picture.

    White means fill: a gray value (luminance of colours) of 128 of 255 or more, so that JPEG's near-white counts. A mask with
    transparency is composited over black, so that white strokes on a transparent layer work. EXIF orientation is applied.
    `resize`, `invert` and `grow` are applied in this order.

    Args:
        mask: anything `as_picture` takes.
        size: (height, width) of the picture.
        invert: black means fill.
        grow: dilate the mask by a disc of this radius in pixels.
        resize: scale a mask of another size to the picture (nearest neighbour).

    Returns: bool (1, 1, H, W), True where to fill.

    Raises: PictureError for a mask that cannot be read, or has another size without `resize`; UsageError for `grow` < 0.
    """
    if grow < 0:
        raise UsageError(f"a mask cannot grow by {grow} pixels; give 0 or more")
    fill = _is_white(as_picture(mask))
    if fill.shape != tuple(size):
        if not resize:
            name = f"{mask}: " if isinstance(mask, (str, os.PathLike)) else ""
            raise PictureError(
                f"{name}the mask is {fill.shape[1]}x{fill.shape[0]} (width x height), the picture {size[1]}x{size[0]}; "
                "give a mask of that size, or resize it (--resize-mask)"
            )
        fill = cv2.resize(fill.astype(np.uint8), (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT) > 0
    if invert:
        fill = ~fill
    if grow and fill.any():
        distance = cv2.distanceTransform((~fill).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        fill = distance <= grow + 1e-3  # OpenCV rounds distances.
    return torch.from_numpy(np.ascontiguousarray(fill))[None, None]


def mask_from_alpha(picture: Picture) -> Tensor:
    """Bool (1, 1, H, W), True where the picture is fully transparent.

    What is filled there stays transparent until `picture.reveal(mask)`.

    Raises: PictureError if the picture has no alpha.
    """
    if picture.alpha is None:
        raise PictureError("the picture has no transparency to take the mask from; give a mask file")
    return torch.from_numpy(picture.alpha == 0)[None, None]


def _is_white(mask: Picture) -> np.ndarray:
    # The samples of the file, if it has any: under transparency, `pixels` holds other colours.
    samples = mask.samples() if mask.raw is None else to_gray_or_rgb(mask.kind, mask.raw, mask.palette)
    values = samples.astype(np.float32) * np.float32(255 / (2**mask.depth - 1))
    gray = values[..., 0] if values.shape[2] == 1 else values @ np.array([0.299, 0.587, 0.114], np.float32)
    if mask.alpha is not None:
        gray = gray * (mask.alpha / np.float32(np.iinfo(mask.alpha.dtype).max))
    return np.asarray(gray >= 127.999)  # 128, less the rounding of the luminance weights.
