"""Between `Picture` and paths, PIL images, arrays and tensors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.utils.dlpack
from PIL import Image

from restore.errors import PictureError
from restore.images import metadata as meta
from restore.images import palette as palettes
from restore.images import png_chunks
from restore.images.decoding import unpack_8bit
from restore.images.jpeg import Jpeg
from restore.images.picture import Picture
from restore.images.reading import as_picture_errors, make_picture, read
from restore.images.samples import Samples, apply_orientation, pillow_image

_EXPECTED = "expected a path, a PIL image, an array (H, W[, C]), a tensor ([[1, ]C, ]H, W) or a Picture"


def as_picture(image: Any) -> Picture:
    """Convert to a `Picture`; a `Picture` is returned unchanged.

    Args:
        image: a path; a PIL image, whose EXIF orientation is applied and whose metadata is kept; an array (H, W) or (H, W, C);
            or a tensor (H, W), (C, H, W) or (1, C, H, W). C is 1 for gray, 2 for gray and alpha, 3 for RGB, 4 for RGB and
            alpha. Arrays and tensors are uint8, uint16, bool, or float in [0, 1], which becomes a 16-bit picture. What has
            `__array__` or `__dlpack__` (JAX, CuPy, TensorFlow) counts as an array.

    Raises: PictureError for anything else, for a file that cannot be read, and for a tensor that requires a gradient, which
    would be lost.
    """
    if isinstance(image, Picture):
        return image
    if isinstance(image, (str, os.PathLike)):
        return read(Path(image))
    if isinstance(image, Image.Image):
        return _from_pillow(image)
    if isinstance(image, torch.Tensor):
        return _from_array(_channels_last(image))
    array = _array_of(image)
    if array is None:
        raise PictureError(f"a {type(image).__name__} is not a picture; {_EXPECTED}")
    return _from_array(array)


def _array_of(image: Any) -> Samples | None:
    """An array, or what an object of another library is as one; None if it is none."""
    if isinstance(image, np.ndarray):
        return _plain(image)
    if isinstance(image, type) or not (hasattr(image, "__dlpack__") or hasattr(image, "__array__")):
        return None
    try:
        array = np.asarray(image) if hasattr(image, "__array__") else torch.utils.dlpack.from_dlpack(image).cpu().numpy()
    except Exception as error:  # Whatever another library raises.
        raise PictureError(f"a {type(image).__name__} gives no array: {type(error).__name__}: {error}") from error
    return _plain(array)


def _from_pillow(image: Image.Image) -> Picture:
    name = "the PIL image"
    data = _file(image)
    with as_picture_errors(name, data):
        png_chunks.without_damage(data, name)
        metadata, orientation = meta.read_metadata(image, name)
        jpeg = Jpeg.of(image, data, orientation)
        image.load()
        if image.format == "TIFF":
            orientation = 1  # Pillow applies it to TIFF files on its own
        if image.mode.startswith("I;16"):
            return make_picture("gray", apply_orientation(np.array(image).astype(np.uint16), orientation), metadata=metadata)
        kind, raw, alpha, palette = unpack_8bit(name, image, png_chunks.gray_key(data))
        alpha = None if alpha is None else apply_orientation(alpha, orientation).copy()
        raw = apply_orientation(raw, orientation).copy()
        return make_picture(kind, raw, alpha, palette=palette, metadata=metadata.for_size(*raw.shape[:2]), jpeg=jpeg)


def _file(image: Image.Image) -> bytes:
    """The bytes of the file that a PIL image is opened from; none once it is loaded, as it may have been drawn on since."""
    file = getattr(image, "fp", None)
    if file is None:
        return b""
    at = file.tell()
    file.seek(0)
    data: bytes = file.read()
    file.seek(at)
    return data


def _channels_last(tensor: torch.Tensor) -> Samples:
    if tensor.is_nested or tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        raise PictureError("a sparse, nested, quantized or meta tensor is not a picture; give a dense tensor with values")
    if tensor.requires_grad:
        raise PictureError(
            "a tensor that requires a gradient would lose it here; give tensor.detach(), or use restore.nn.Restore"
        )
    if tensor.is_complex():
        raise PictureError(f"samples of type {tensor.dtype} are not supported; give uint8, uint16, bool or float in [0, 1]")
    if tensor.ndim == 4 and tensor.shape[0] == 1:
        tensor = tensor[0]
    if tensor.ndim == 2:
        tensor = tensor[None]
    if tensor.ndim != 3:
        raise PictureError(
            f"a tensor of shape {tuple(tensor.shape)} is not a picture; {_EXPECTED}; for a batch use Restorer.map or restore.nn"
        )
    tensor = tensor.cpu().resolve_neg().permute(1, 2, 0)
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def _plain(array: Samples) -> Samples:
    """An array without what a subclass adds; a matrix, say, always has two axes. Raises PictureError for masked values."""
    if np.ma.is_masked(array):
        raise PictureError("an array with masked values is not a picture; fill them (numpy.ma.filled)")
    array = np.asarray(array)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _from_array(array: Samples) -> Picture:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4) or 0 in array.shape:
        raise PictureError(f"an array of shape {array.shape} is not a picture; {_EXPECTED}")
    if array.dtype == bool:
        array = array * np.uint8(255)
    if np.issubdtype(array.dtype, np.floating):
        return _from_floats(array)
    if array.dtype not in (np.uint8, np.uint16):
        raise PictureError(f"samples of type {array.dtype} are not supported; give uint8, uint16, bool or float in [0, 1]")
    alpha = array[..., -1].copy() if array.shape[2] in (2, 4) else None
    if array.shape[2] <= 2:
        return make_picture("gray", array[..., 0].copy(), alpha)
    return make_picture("colour", array[..., :3].copy(), alpha)


def _from_floats(array: Samples) -> Picture:
    if not (np.isfinite(array).all() and array.min() >= -1e-3 and array.max() <= 1 + 1e-3):
        raise PictureError(f"float samples from {array.min():g} to {array.max():g} are not a picture; expected [0, 1]")
    array = array.astype(np.float32) if array.dtype.itemsize < 4 else array  # 65535 is no number of 16 bits.
    array = array.clip(0, 1)  # Values outside by rounding.
    picture = _from_array(np.rint(array * 65535.0).astype(np.uint16))
    if picture.alpha is not None:
        return picture
    # The given values, not rounded to 16 bits.
    pixels = torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1), dtype=np.float32))[None]
    return picture.with_pixels(pixels * 2 - 1)


def like(given: Any, picture: Picture) -> Any:
    """A picture as the type of `given`: the inverse of `as_picture`.

    A tensor gives a tensor and an array an array, with the layout, range, dtype and device of `given`; an object of another
    library gives an array of numpy. A `Picture` gives a `Picture`. A path or a PIL image gives a PIL image, see `to_pillow`;
    one with a palette gives one with a palette.
    """
    if isinstance(given, Picture):
        return picture
    if isinstance(given, (torch.Tensor, np.ndarray)):
        return _like_array(given, picture)
    if isinstance(given, Image.Image):
        return (
            _with_palette(picture, picture.palette) if given.mode == "P" and picture.palette is not None else to_pillow(picture)
        )
    array = None if isinstance(given, (str, os.PathLike)) else _array_of(given)
    return to_pillow(picture) if array is None else _like_array(array, picture)


def _with_palette(picture: Picture, palette: Samples) -> Image.Image:
    index, palette = palettes.of_picture(picture.samples(), picture.alpha, picture.raw, palette)
    image = pillow_image("P", index)
    image.putpalette(palette[:, :3].tobytes())
    if picture.alpha is not None:
        image.info["transparency"] = palette[:, 3].tobytes()
    return image


def _like_array(given: torch.Tensor | Samples, picture: Picture) -> Any:
    floating = given.is_floating_point() if isinstance(given, torch.Tensor) else np.issubdtype(given.dtype, np.floating)
    unit = ((picture.pixels[0].permute(1, 2, 0).numpy() + 1) / 2).clip(0, 1)
    array: Samples = unit if floating else picture.samples()
    if picture.alpha is not None:
        alpha = picture.alpha / np.iinfo(picture.alpha.dtype).max if floating else picture.alpha
        array = np.concatenate([array, alpha[..., None].astype(array.dtype)], axis=2)
    if isinstance(given, np.ndarray):
        array = array[..., 0] if given.ndim == 2 and array.shape[2] == 1 else array
        return array > 127 if given.dtype == bool else array.astype(given.dtype)
    if given.dtype == torch.bool:
        array = array > 127
    tensor = torch.from_numpy(np.ascontiguousarray(array)).permute(2, 0, 1).to(given.device, given.dtype)
    if given.ndim == 2 and tensor.shape[0] == 1:
        return tensor[0]
    return tensor[None] if given.ndim == 4 else tensor


def to_pillow(picture: Picture) -> Image.Image:
    """A PIL image, without metadata: 8-bit L, LA, RGB or RGBA, or I;16 for 16-bit gray without alpha."""
    samples, alpha = picture.samples(), picture.alpha
    if picture.depth == 16 and samples.shape[2] == 1 and alpha is None:
        return pillow_image("I;16", samples[..., 0])
    if alpha is not None:
        samples = np.concatenate([samples, alpha[..., None]], axis=2)
    samples = (samples / 257.0).round().astype(np.uint8) if picture.depth == 16 else samples
    return Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
