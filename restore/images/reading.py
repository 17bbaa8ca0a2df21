"""Read a file into a `Picture`."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from restore.errors import PictureError
from restore.images import metadata as meta
from restore.images.jpeg import Jpeg
from restore.images.picture import Kind, Picture
from restore.images.samples import Samples, apply_orientation, fill_transparent, to_gray_or_rgb, to_pixels
from restore.images.silence import silent_libraries, silent_stderr

LARGEST = 400_000_000
"""The largest number of pixels that is read: a small file can declare any size and fill the memory."""

# GIF is opened only for an error that names it.
_FORMATS = ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"]
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


def read(path: Path) -> Picture:
    """Read a PNG, JPEG, TIFF, WebP or BMP file. EXIF orientation is applied and reset to 1.

    The content decides the format, not the suffix. Samples have 8 or 16 bits. A colour key (PNG) becomes alpha. Of a
    multi-picture JPEG (MPO) the first picture is read. Colour profiles are kept, not applied; `pixels` of CMYK are Pillow's
    conversion to RGB without a profile.

    Raises: PictureError for a file that is missing, empty, truncated, not a picture, animated or of several pages, or that has
    more than `LARGEST` pixels or samples of another kind.
    """
    path = Path(path)
    data = _bytes(path)
    with as_picture_errors(str(path)):
        image = Image.open(BytesIO(data), formats=_FORMATS)
        _check_usable(path, image)
        raw_mode = _raw_mode(image)  # Before anything is loaded: loading clears it.
        metadata, orientation = meta.read_metadata(image, str(path))
        with silent_stderr():
            image.load()  # Reports what is wrong with a damaged file; OpenCV does not.
        sixteen_bit = image.format in ("PNG", "TIFF") and ";16" in raw_mode
        if image.format == "TIFF":
            orientation = 1  # Both libraries apply it to TIFF files on their own.
        if sixteen_bit:
            kind, raw, alpha = _decode_16bit(path, data, image, raw_mode)
            palette = None
        else:
            kind, raw, alpha, palette = unpack_8bit(str(path), image)
        jpeg = Jpeg.of(image, data, orientation)
        raw, alpha = apply_orientation(raw, orientation), None if alpha is None else apply_orientation(alpha, orientation)
        metadata = metadata.for_size(*raw.shape[:2])
        return make_picture(kind, raw, alpha, palette=palette, metadata=metadata, jpeg=jpeg)


def make_picture(
    kind: Kind,
    raw: Samples,
    alpha: Samples | None = None,
    *,
    palette: Samples | None = None,
    metadata: meta.Metadata | None = None,
    jpeg: Jpeg | None = None,
) -> Picture:
    """A `Picture` of samples, EXIF orientation applied. The arrays become read-only; the picture owns them."""
    for array in (raw, alpha, palette):
        if array is not None:
            array.setflags(write=False)
    samples = to_gray_or_rgb(kind, raw, palette)
    if alpha is not None and not alpha.all():
        samples = fill_transparent(samples, alpha > 0)
    return Picture(
        pixels=to_pixels(samples),
        kind=kind,
        depth=raw.dtype.itemsize * 8,
        alpha=alpha,
        metadata=metadata or meta.Metadata(),
        raw=raw,
        palette=palette,
        jpeg=jpeg,
    )


def read_record(path: Path) -> str | None:
    """The record that `write` stored in a PNG; None if there is none, or the file is not a PNG.

    Raises: PictureError if the file cannot be opened.
    """
    data = _bytes(Path(path))
    try:
        with silent_libraries():
            record = Image.open(BytesIO(data), formats=["PNG"]).info.get(meta.RECORD)
    except Exception:  # Damaged bytes raise errors of many types.
        return None
    return str(record) if isinstance(record, str) else None


def _bytes(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise PictureError(f"{path}: a folder where a picture file is expected; name a file in it")
        if not stat.S_ISREG(mode):  # Reading a pipe would block.
            raise PictureError(f"{path}: not an ordinary file; name a picture file")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise PictureError(f"{path}: no such file; check the name") from error
    except OSError as error:
        raise PictureError(f"{path}: cannot be opened ({error.strerror}); check its name and permissions") from error
    if not data:
        raise PictureError(f"{path}: the file is empty; get it again")
    return data


@contextmanager
def as_picture_errors(name: str) -> Iterator[None]:
    """Inside: the libraries are silent, and their errors become a one-line PictureError about the file `name`."""
    try:
        with silent_libraries():
            yield
    except (PictureError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise PictureError(
            f"{name}: not a PNG, JPEG, TIFF, WebP or BMP picture, or damaged at its start; convert it to PNG"
        ) from error
    except Exception as error:  # Damaged bytes raise errors of many types in Pillow and OpenCV.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"{name}: the file is damaged or cut short ({reason}); get it again") from error


def _check_usable(path: Path, image: Image.Image) -> None:
    width, height = image.size
    if width * height > LARGEST:
        size = f"{width}x{height} is {width * height / 1e6:.0f} megapixels"
        raise PictureError(f"{path}: {size}, more than the {LARGEST / 1e6:.0f} allowed; cut it into parts")
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if frames > 1:
        what, unit = ("has several pages", "pages") if image.format == "TIFF" else ("is animated", "frames")
        raise PictureError(f"{path}: the picture {what} ({frames} {unit}); save the one to restore as a file of its own")
    if image.format == "GIF":
        raise PictureError(f"{path}: GIF is not supported; convert it to PNG")


def _raw_mode(image: ImageFile.ImageFile) -> str:
    """Pillow's raw mode of the file, such as "RGB;16B". Only this distinguishes 16-bit from 8-bit samples."""
    if not image.tile:
        return image.mode
    arguments: Any = image.tile[0][3]
    return str(arguments if isinstance(arguments, str) else arguments[0] if arguments else image.mode)


def _decode_16bit(path: Path, data: bytes, image: Image.Image, raw_mode: str) -> tuple[Kind, Samples, Samples | None]:
    """16-bit samples: kind, samples (H, W) gray or (H, W, 3) RGB, and alpha."""
    if not re.fullmatch(r"(I|LA|RGB|RGBA|RGBX);16[BLN]?", raw_mode):
        raise PictureError(f"{path}: 16-bit samples of kind {raw_mode} are not supported; save it as plain 16-bit RGB or gray")
    with silent_stderr():
        samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype != np.uint16 or sorted(samples.shape[:2]) != sorted(image.size):
        raise PictureError(f"{path}: the 16-bit samples cannot be read; save it as 16-bit PNG")
    alpha = samples[..., 3] if samples.ndim == 3 and samples.shape[2] == 4 and not raw_mode.startswith("RGBX") else None
    if not raw_mode.startswith(("I", "LA")):
        return "colour", samples[..., 2::-1], alpha
    gray = samples if samples.ndim == 2 else samples[..., 0]
    if getattr(image, "tag_v2", {}).get(262) == 0:  # TIFF gray where 0 is white: neither library inverts it.
        gray = 65535 - gray
    if raw_mode.startswith("I") and isinstance(image.info.get("transparency"), int):
        alpha = np.where(gray == image.info["transparency"], 0, 65535).astype(np.uint16)
    return "gray", gray, alpha


def unpack_8bit(name: str, image: Image.Image) -> tuple[Kind, Samples, Samples | None, Samples | None]:
    """Samples of up to 8 bits: kind, samples, alpha and palette, as `Picture` has them."""
    if image.mode in _CONVERTED:
        image = image.convert(_CONVERTED[image.mode])
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
