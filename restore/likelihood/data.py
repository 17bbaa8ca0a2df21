"""Loads evaluation pictures from a folder or an array, as 8-bit values of one size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restore import images
from restore.errors import PictureError
from restore.likelihood.units import eight_bit
from restore.operators.gray import REC601
from restore.wording import called


def load(source: Path, *, count: int, channels: int, size: tuple[int, int] | None, skip: int = 0) -> Tensor:
    """The first `count` pictures after `skip`, centre-cropped to one size.

    Args:
        source: a folder (searched recursively, in order of names) or an .npz/.npy array (N, H, W) or (N, H, W, C) uint8; in an
            .npz its key is `images`.
        channels: 1 or 3. Colour is converted to BT.601 luma, gray is repeated in three channels.
        size: (height, width); None for the array's own size, or 64x64 for a folder.

    Returns: (N, channels, H, W) float32 in [-1, 1], rounded to values that 8-bit samples take.
    Raises: PictureError if nothing is found, the array has another shape or dtype, or a picture is smaller than the size.
    """
    if source.suffix.lower() in (".npz", ".npy"):
        array = _array(source)[skip : skip + count]
        found = [torch.from_numpy(np.ascontiguousarray(one)).permute(2, 0, 1)[None] / 127.5 - 1 for one in array]
    else:
        found = [images.read(path).pixels for path, _ in images.find([source])[skip : skip + count]]
        size = size or (64, 64)
    if not found:
        raise PictureError(f"{source}: no pictures are left after the first {skip}; give a smaller {called('skip')}")
    cut = [_middle(source, pixels, size or (pixels.shape[-2], pixels.shape[-1])) for pixels in found]
    return eight_bit(torch.cat([_with(pixels, channels) for pixels in cut])).float()


def _array(source: Path) -> NDArray[np.uint8]:
    try:
        loaded = np.load(source, allow_pickle=False)
        array: NDArray[np.uint8] = loaded["images"] if source.suffix.lower() == ".npz" else loaded
    except (OSError, ValueError, KeyError) as error:
        raise PictureError(f"{source}: not an array of pictures ({error})") from None
    array = array[..., None] if array.ndim == 3 else array
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] not in (1, 3):
        raise PictureError(f"{source}: expected (N, H, W[, 1 or 3]) uint8, found {array.shape} {array.dtype}")
    return array


def _middle(source: Path, pixels: Tensor, size: tuple[int, int]) -> Tensor:
    height, width = pixels.shape[-2:]
    if height < size[0] or width < size[1]:
        raise PictureError(
            f"{source}: a picture of {height}x{width} is smaller than {size[0]}x{size[1]}; give a smaller {called('size')}"
        )
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    return pixels[..., top : top + size[0], left : left + size[1]]


def _with(pixels: Tensor, channels: int) -> Tensor:
    if pixels.shape[1] == channels:
        return pixels
    if channels == 3:
        return pixels.expand(-1, 3, -1, -1)
    return (pixels * pixels.new_tensor(REC601)[:, None, None]).sum(dim=1, keepdim=True)
