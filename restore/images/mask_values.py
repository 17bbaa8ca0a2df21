"""What a mask's values mean: how much of each pixel was marked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from restore.errors import PictureError
from restore.images.convert import as_picture
from restore.images.file_bytes import file_bytes
from restore.images.picture import Picture
from restore.images.samples import Samples, to_gray_or_rgb
from restore.wording import called

Bool = NDArray[np.bool_]
Floats = NDArray[np.float32]

STROKE = 0.25  # Coverage from which a pixel is marked whatever lies around it.
EDGE, EDGE_OF_JPEG = 8 / 255, 32 / 255  # Coverage down to which the soft edge of a stroke is marked.
CONTRAST = 32 * 257  # Least range of levels that marks anything, where there are more than two of them.
DIMMEST = 64 * 257  # A mask of several levels whose highest is below this is a label map, or black.
LABELS = 256


@dataclass(frozen=True)
class Levels:
    """The values of a mask on one scale.

    Attributes:
        values: (H, W) uint16; the higher, the more marked.
        depth: bits per sample of the mask given.
        jpeg: whether it has been a JPEG, whose values ring around strokes.
        name: how errors begin: the file's name and a colon, or nothing.
    """

    values: Samples
    depth: int
    jpeg: bool
    name: str

    def said(self) -> str:
        """What the values are, in words, in the units of the mask given."""
        low, high = (round(int(value) / (65535 / (2**self.depth - 1))) for value in (self.values.min(), self.values.max()))
        most = 2**self.depth - 1
        return f"every pixel is {low} (of {most})" if low == high else f"its values lie between {low} and {high} (of {most})"

    def resized(self, height: int, width: int) -> Levels:
        """The same at another size, by the nearest neighbour."""
        values = cv2.resize(self.values, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        return Levels(values, self.depth, self.jpeg, self.name)

    def coverage(self) -> Floats:
        """How much of each pixel is marked, (H, W) in [0, 1].

        Of two values the higher is 1 and the lower 0, whatever they are. One value alone is 1 if it is nearer to white than to
        black. Several lie evenly between the lowest and the highest; if they hardly differ, they count as one.

        Raises: PictureError for several values that are all nearly black and so may be labels.
        """
        low, high = int(self.values.min()), int(self.values.max())
        counts = np.bincount(self.values.ravel(), minlength=65536)
        several = int((counts > 0).sum())
        if several == 2 and not (self.jpeg and high - low < CONTRAST):
            return (self.values == high).astype(np.float32)
        if several > 2 and high < DIMMEST and not self.jpeg and several <= LABELS:
            raise PictureError(
                f"{self.name}the mask has {several} values, all dark as those of a label map: {self.said()}; "
                f"name the one to fill with {called('mask_label', such_as='N')}"
            )
        if high - low < CONTRAST:
            return np.full(self.values.shape, float(low + high > 65535), np.float32)
        return (self.values - np.float32(low)) / np.float32(high - low)


def levels(mask: Any) -> Levels:
    """The levels of anything `as_picture` takes, and of arrays and tensors of other integers, or of any two numbers.

    The level of a colour is its largest channel, so that a stroke of any colour on black is one; if that is the same
    everywhere, as for red on white, its luminance. Transparent pixels have level 0, and on transparency black is a stroke too
    if nothing else is drawn there.

    Raises: PictureError for what is no picture.
    """
    picture = as_picture(_of_two_numbers(_loaded(mask)))
    samples = _samples(picture)
    values = samples.max(axis=2)
    alpha = picture.alpha
    if alpha is not None and not (alpha == np.iinfo(alpha.dtype).max).all():
        cover = alpha / np.float32(np.iinfo(alpha.dtype).max)
        drawn = values if values[alpha > 0].any() else np.full_like(values, 65535)
        values = np.rint(drawn * cover).astype(np.uint16)
    elif samples.shape[2] == 3 and values.min() == values.max():
        values = np.rint(samples @ np.array([0.299, 0.587, 0.114])).astype(np.uint16)
    if picture.depth == 16 and values.max() <= 255:  # Samples of 8 bits in a file of 16.
        values = values * np.uint16(257)
        return Levels(values, 8, picture.jpeg is not None, name_of(mask))
    return Levels(values, picture.depth, picture.jpeg is not None, name_of(mask))


def marked(coverage: Floats, edge: float) -> Bool:
    """Pixels that a person touched: strokes, and their soft edges as far as these fall off.

    A pixel belongs to the edge if a neighbour that is marked covers as much or more. What lies beyond a gap, as the ringing of
    a JPEG does, is not reached.

    Args:
        coverage: (H, W) in [0, 1].
        edge: the least coverage of an edge.
    """
    found = coverage >= STROKE
    ground = coverage[~found]
    if ground.size:  # A ground that is not clean, as of a scan: what lies within its noise is no edge.
        middle = float(np.median(ground))
        edge = min(max(edge, middle + 6 * float(np.median(np.abs(ground - middle)))), EDGE_OF_JPEG)
    edge -= 1e-6
    soft = (coverage >= edge) & ~found
    near = np.ones((3, 3), np.uint8)
    while soft.any():
        beside = cv2.dilate(np.where(found, coverage, np.float32(0)), near)
        joins = soft & (coverage <= beside)
        if not joins.any():
            break
        found |= joins
        soft &= ~joins
    return found


def labels(mask: Any) -> NDArray[np.int64]:
    """The numbers of a label map, (H, W): gray values, indices of a palette, or whole numbers of an array or tensor.

    Raises: PictureError for a picture in colour, and for what is no picture.
    """
    mask = _loaded(mask)
    if isinstance(mask, (torch.Tensor, np.ndarray)) or _is_32_bit(mask):
        array = mask.detach().cpu().numpy() if isinstance(mask, torch.Tensor) else np.asarray(mask)
        while array.ndim > 2 and array.shape[0] == 1:
            array = array[0]
        array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
        if array.ndim == 2 and array.size and np.isfinite(array).all() and (array == np.rint(array)).all():
            return array.astype(np.int64)
        raise PictureError(f"an array of shape {array.shape} and type {array.dtype} is no label map: give (H, W) whole numbers")
    picture = as_picture(mask)
    raw = picture.raw if picture.raw is not None else picture.samples()
    if picture.kind == "cmyk" or (raw.ndim == 3 and not (raw == raw[..., :1]).all()):
        raise PictureError(
            f"{name_of(mask)}a label map has one number a pixel, this mask is in colour; leave {called('mask_label')} out"
        )
    return (raw if raw.ndim == 2 else raw[..., 0]).astype(np.int64)


def name_of(mask: Any) -> str:
    """How an error about a mask begins: the name of its file and a colon, or nothing."""
    return f"{os.fspath(mask)}: " if isinstance(mask, (str, os.PathLike)) else ""


def _loaded(mask: Any) -> Any:
    """The array of a .npy file; other masks as they are."""
    if not isinstance(mask, (str, os.PathLike)) or not os.fspath(mask).lower().endswith(".npy"):
        return mask
    data = file_bytes(Path(mask))
    try:
        return np.load(BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        said = " ".join(str(error).split())
        raise PictureError(f"{mask}: no NumPy array can be read from it ({said}); save it again") from None


def _samples(picture: Picture) -> Samples:
    """(H, W, C) uint16: the samples of the file, if it has any, as `pixels` holds other colours under transparency."""
    samples = picture.samples() if picture.raw is None else to_gray_or_rgb(picture.kind, picture.raw, picture.palette)
    return samples.astype(np.uint16) * np.uint16(257) if picture.depth == 8 else samples


def _is_32_bit(mask: Any) -> bool:
    return isinstance(mask, Image.Image) and mask.mode in ("I", "F")


def _of_two_numbers(mask: Any) -> Any:
    """An array or tensor of any numbers as one that `as_picture` takes, where its values have a plain meaning."""
    if _is_32_bit(mask):
        mask = np.asarray(mask)
    if not isinstance(mask, (torch.Tensor, np.ndarray)):
        return mask
    values = mask.detach().cpu() if isinstance(mask, torch.Tensor) else mask
    if str(values.dtype).removeprefix("torch.") in ("bool", "uint8", "uint16") or 0 in values.shape:
        return mask
    found = np.unique(values.double().numpy() if isinstance(values, torch.Tensor) else values)
    if not np.isfinite(found).all():
        raise PictureError("the mask holds NaN or infinite values; give finite ones")
    if len(found) == 2:
        return values == found[1].item()
    whole = (found == np.rint(found)).all() and found[0] >= 0 and found[-1] <= 255
    if whole and not (found <= 1).all():
        return values.to(torch.uint8) if isinstance(values, torch.Tensor) else values.astype(np.uint8)
    if whole and len(found) == 1:  # All 0 or all 1.
        return values > 0
    return values
