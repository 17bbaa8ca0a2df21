"""Masks: the pixels to fill."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from restore.errors import PictureError, UsageError
from restore.images.mask_rim import grow_over_rim
from restore.images.mask_values import EDGE, EDGE_OF_JPEG, Bool, labels, levels, marked, name_of
from restore.images.picture import Picture
from restore.wording import called


def read_mask(
    mask: Any,
    size: tuple[int, int],
    *,
    invert: bool = False,
    grow: int = 0,
    resize: bool = False,
    label: int | None = None,
) -> Tensor:
    """Read a mask for a picture.

    What a person touched is filled. Of two values the higher is filled, whatever they are. Of several, what is drawn on black
    or on transparency in any colour is filled, its soft edges included, but not the ringing of a JPEG far from it. EXIF
    orientation is applied. `resize`, `invert` and `grow` are applied in this order.

    Args:
        mask: anything `as_picture` takes, and arrays and tensors of other integers, or of any two numbers.
        size: (height, width) of the picture.
        invert: the lower values are filled.
        grow: dilate the mask by a disc of this radius in pixels.
        resize: scale a mask of another size to the picture (nearest neighbour).
        label: the mask is a label map (gray values, palette indices, or whole numbers), in which this one is filled.

    Returns: bool (1, 1, H, W), True where to fill.

    Raises: PictureError for a mask that cannot be read, has another size without `resize`, or marks nothing; UsageError for
    `grow` < 0.
    """
    if grow < 0:
        raise UsageError(f"a mask cannot grow by {grow} pixels; give 0 or more")
    fill = _of_values(mask, size, invert, resize) if label is None else _of_label(mask, label, size, invert, resize)
    if grow:
        distance = cv2.distanceTransform((~fill).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        fill = distance <= grow + 1e-3  # OpenCV rounds distances.
    return torch.from_numpy(np.ascontiguousarray(fill))[None, None]


def mask_from_alpha(picture: Picture) -> Tensor:
    """Bool (1, 1, H, W), True where the picture is fully transparent.

    What is filled there stays transparent until `picture.reveal(mask)`.

    Raises: PictureError if the picture has no alpha, or no such pixel.
    """
    if picture.alpha is None:
        raise PictureError("the picture has no transparency to take the mask from; give a mask file")
    if picture.alpha.all():
        least = f"the least alpha is {picture.alpha.min()} (of {np.iinfo(picture.alpha.dtype).max})"
        raise PictureError(f"no pixel of the picture is fully transparent, so nothing is marked: {least}; give a mask file")
    return torch.from_numpy(picture.alpha == 0)[None, None]


def grow_rim(fill: Tensor, pixels: Tensor) -> Tensor:
    """A mask with the rim around it that resembles what lies under it; the mask itself if it covers its damage.

    Args:
        fill: bool (1, 1, H, W).
        pixels: (1, C, H, W) in [-1, 1].

    Returns: bool (1, 1, H, W).
    """
    return torch.from_numpy(grow_over_rim(fill[0, 0].numpy(), pixels[0].permute(1, 2, 0).numpy()))[None, None]


def _of_values(mask: Any, size: tuple[int, int], invert: bool, resize: bool) -> Bool:
    found = levels(mask)
    if found.values.shape != tuple(size):
        _check_size(mask, found.values.shape, size, resize)
        found = found.resized(*size)
    coverage = found.coverage()
    fill = marked(1 - coverage if invert else coverage, EDGE_OF_JPEG if found.jpeg else EDGE)
    if not fill.any():
        flag = called("invert_mask", True)
        rule = f"with {flag} black is filled" if invert else f"white is filled, {flag} fills black"
        raise PictureError(f"{found.name}the mask marks nothing: {found.said()}; {rule}")
    return fill


def _of_label(mask: Any, label: int, size: tuple[int, int], invert: bool, resize: bool) -> Bool:
    found = labels(mask)
    fill = found == label
    if not fill.any() or (invert and fill.all()):
        there = np.unique(found)
        held = ", ".join(map(str, there[:12])) + (", ..." if len(there) > 12 else "")
        reason = f"only label {label}" if fill.any() else f"no label {label}"
        raise PictureError(f"{name_of(mask)}the mask marks nothing: it holds {reason}; its labels are {held}")
    if fill.shape != tuple(size):
        _check_size(mask, fill.shape, size, resize)
        fill = cv2.resize(fill.astype(np.uint8), (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT) > 0
    return ~fill if invert else fill


def _check_size(mask: Any, given: tuple[int, ...], size: tuple[int, int], resize: bool) -> None:
    if not resize:
        raise PictureError(
            f"{name_of(mask)}the mask is {given[1]}x{given[0]} (width x height), the picture {size[1]}x{size[0]}; "
            f"give a mask of that size, or resize it ({called('resize_mask', True)})"
        )
