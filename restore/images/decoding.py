"""The samples of an opened file, in its own depth."""

from __future__ import annotations

import logging
import re
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin

from restore.errors import PictureError
from restore.images.limits import current
from restore.images.picture import Kind
from restore.images.png_chunks import alpha_of_key
from restore.images.samples import Samples
from restore.images.silence import silent_stderr

log = logging.getLogger(__name__)

_KINDS: dict[str, Kind] = {
    "1": "bilevel",
    "L": "gray",
    "LA": "gray",
    "RGB": "colour",
    "RGBA": "colour",
    "P": "palette",
    "CMYK": "cmyk",
}
_CONVERTED = {"PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB"}
_SIZE, _BITS, _PLANAR, _FORMAT, _FLOAT = (256, 257), 258, 284, 339, 3  # Tags of TIFF 6.0, and a value of the last.
_SLACK = 1e-3  # By which float samples may leave [0, 1], by rounding.


def raw_mode_of(image: ImageFile.ImageFile) -> str:
    """Pillow's raw mode of the file, such as "RGB;16B". Only this distinguishes 16-bit from 8-bit samples."""
    if not image.tile:
        return image.mode
    arguments: Any = image.tile[0][3]
    tags = getattr(image, "tag_v2", {})
    if tags.get(_PLANAR) == 2 and set(tags.get(_BITS, ())) == {16}:  # Pillow names the planes alone, and reads half of them.
        return f"{image.mode};16 in planes"
    return str(arguments if isinstance(arguments, str) else arguments[0] if arguments else image.mode)


def bits(raw_mode: str) -> int:
    """Bits of a sample in a raw mode, 8 at least."""
    return 16 if ";16" in raw_mode else 32 if ";32" in raw_mode or raw_mode == "F" else 8


def decode_16bit(
    name: str, data: bytes, image: Image.Image, raw_mode: str, page: int = 1
) -> tuple[Kind, Samples, Samples | None]:
    """16-bit samples: kind, samples (H, W) gray or (H, W, 3) RGB, and alpha.

    Args:
        image: loaded.
        raw_mode: see `raw_mode_of`.
        page: from 1 on.
    """
    if image.format not in ("PNG", "TIFF"):
        return "gray", np.array(image).astype(np.uint16), None  # Pillow has 16 bits for gray alone.
    if not re.fullmatch(r"(I|LA|RGB|RGBA|RGBX);16[BLN]?", raw_mode):
        raise PictureError(f"{name}: 16-bit samples of kind {raw_mode} are not supported; save it as plain 16-bit RGB or gray")
    with silent_stderr():
        _, pages = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED, range=(page - 1, page))
    samples = pages[0] if pages else None
    if samples is None or samples.dtype != np.uint16 or sorted(samples.shape[:2]) != sorted(image.size):
        raise PictureError(f"{name}: the 16-bit samples cannot be read; save it as 16-bit PNG")
    alpha = samples[..., 3] if samples.ndim == 3 and samples.shape[2] == 4 and not raw_mode.startswith("RGBX") else None
    if not raw_mode.startswith(("I", "LA")):
        return "colour", samples[..., 2::-1], alpha
    gray = samples if samples.ndim == 2 else samples[..., 0]
    if getattr(image, "tag_v2", {}).get(262) == 0:  # TIFF gray where 0 is white: neither library inverts it.
        gray = 65535 - gray
    if raw_mode.startswith("I") and isinstance(image.info.get("transparency"), int):
        alpha = np.where(gray == image.info["transparency"], 0, 65535).astype(np.uint16)
    return "gray", gray, alpha


def float_tiff(name: str, data: bytes) -> Samples | None:
    """Samples (H, W) or (H, W, C), RGB, of a TIFF of floats and one page; None of other files.

    Pillow reads such files in gray of 32 bits only.
    """
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return None
    try:
        file = BytesIO(data)
        tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
        file.seek(tags.next)
        tags.load(file)
        if tags.next:
            return None
        found = tags.get(_FORMAT, (1,))
        if set(found if isinstance(found, tuple) else (found,)) != {_FLOAT}:
            return None
        depth = tags.get(_BITS, (32,))
        if tags.get(_PLANAR) == 2 and isinstance(depth, tuple) and len(depth) > 1:  # OpenCV reads wrong samples.
            return None
        channels, (width, height) = len(depth) if isinstance(depth, tuple) else 1, (int(tags[tag]) for tag in _SIZE)
    except Exception:  # Damaged tags raise errors of many types; Pillow says what is wrong.
        return None
    current().check(name, width, height, channels=channels, depth=64)
    with silent_stderr():
        samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or not np.issubdtype(samples.dtype, np.floating):
        return None
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(samples.shape[2] if samples.ndim == 3 else 1)
    return samples if order is None else samples[..., order]


def decode_float(name: str, samples: Any) -> tuple[Kind, Samples, Samples | None]:
    """Float samples in [0, 1] as 16-bit ones: kind, samples and alpha. Raises PictureError for other values."""
    values = np.asarray(samples, np.float64)
    if not (np.isfinite(values).all() and values.min() >= -_SLACK and values.max() <= 1 + _SLACK):
        low, high = np.nanmin(values), np.nanmax(values)
        raise PictureError(f"{name}: float samples from {low:.4g} to {high:.4g} are not supported; scale them to 0 to 1")
    log.warning("%s: float samples become 16-bit ones", name)
    rounded = np.rint(values.clip(0, 1) * 65535).astype(np.uint16)
    if rounded.ndim == 2:
        return "gray", rounded, None
    return "colour", rounded[..., :3].copy(), rounded[..., 3].copy() if rounded.shape[2] == 4 else None


def unpack_8bit(
    name: str, image: Image.Image, gray_key: int | None = None
) -> tuple[Kind, Samples, Samples | None, Samples | None]:
    """Samples of up to 8 bits: kind, samples, alpha and palette, as `Picture` has them.

    Args:
        gray_key: the transparent level of a gray picture, of 8 bits; by default what Pillow says.
    """
    if image.mode in _CONVERTED:
        image = image.convert(_CONVERTED[image.mode])
    elif image.mode in ("1", "L") and gray_key is not None:
        gray = np.asarray(image.convert("L"))
        return "gray", gray, alpha_of_key(gray, gray_key), None
    elif image.mode in ("1", "L", "RGB") and "transparency" in image.info:
        image = image.convert("RGBA" if image.mode == "RGB" else "LA")
    if image.mode not in _KINDS:
        raise PictureError(f"{name}: samples of kind {image.mode} are not supported; save it as 8- or 16-bit gray or RGB")
    kind = _KINDS[image.mode]
    samples = np.asarray(image)
    if kind == "palette":
        palette, has_alpha = _palette(image, int(samples.max()))
        return kind, samples, palette[samples][..., 3] if has_alpha else None, palette
    if image.mode in ("LA", "RGBA"):
        colour = samples[..., 0] if kind == "gray" else samples[..., :3]
        return kind, colour, samples[..., -1], None
    return kind, samples.astype(np.uint8), None, None


def _palette(image: Image.Image, largest_index: int) -> tuple[Samples, bool]:
    """The palette, (N, 4) RGBA, long enough for every index, and whether the file declares transparency."""
    colours = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    palette = np.zeros((max(len(colours), largest_index + 1), 4), np.uint8)
    palette[:, 3] = 255
    palette[: len(colours), :3] = colours
    transparency = image.info.get("transparency")
    if isinstance(transparency, int):
        palette[transparency : transparency + 1, 3] = 0
    elif transparency is not None:
        alphas = np.frombuffer(transparency, np.uint8)[: len(palette)]
        palette[: len(alphas), 3] = alphas
    return palette, transparency is not None
