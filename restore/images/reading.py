"""Read a file into a `Picture`."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError

from restore.errors import OutOfMemoryError, PictureError
from restore.images import metadata as meta
from restore.images import png_chunks
from restore.images.decoding import bits, decode_16bit, decode_float, float_tiff, raw_mode_of, unpack_8bit
from restore.images.file_bytes import file_bytes
from restore.images.formats import readable, register
from restore.images.jpeg import Jpeg
from restore.images.jpeg_damage import damage_of_jpeg
from restore.images.limits import current
from restore.images.picture import Kind, Picture
from restore.images.samples import Samples, apply_orientation, fill_transparent, to_gray_or_rgb, to_pixels
from restore.images.silence import bounded_frames, silent_libraries, silent_stderr
from restore.images.unsupported import said_of
from restore.wording import called, told

log = logging.getLogger(__name__)


def read(path: Path, *, page: int | None = None) -> Picture:
    """Read a PNG, JPEG, TIFF, WebP, BMP, GIF, AVIF or JPEG 2000 file; HEIC and JPEG XL where their packages are installed.

    EXIF orientation is applied and reset to 1. The content decides the format, not the suffix. Samples have 8 or 16 bits;
    float TIFFs in [0, 1] become 16-bit. A colour key (PNG) becomes alpha. Of a multi-picture JPEG (MPO) the first picture is
    read. Colour profiles are kept, not applied; `pixels` of CMYK are Pillow's conversion to RGB without a profile. What
    `limited` allows is checked in the header, before anything is decoded.

    Args:
        page: of a file with several pages or frames, from 1 on; by default such a file is an error.

    Raises: PictureError for a file that is missing, empty, damaged, cut short, not a picture, of a kind that is not supported,
    of several pages, or larger than allowed; OutOfMemoryError if reading it takes more memory than allowed.
    """
    return decode(file_bytes(Path(path)), str(path), page=page)


def decode(data: bytes, name: str, *, page: int | None = None) -> Picture:
    """The picture of a file's bytes; see `read`.

    Args:
        name: what messages call the file.
    """
    if not data:
        raise PictureError(f"{name}: no data where a picture is expected; check what it is made by")
    data = png_chunks.without_damage(data, name)
    with as_picture_errors(name, data):
        register()
        samples = float_tiff(name, data)
        if samples is not None:
            return make_picture(*decode_float(name, samples))
        image = Image.open(BytesIO(data), formats=readable())
        _check(name, image)
        _seek(name, image, page)
        raw_mode = raw_mode_of(image)  # Of this page, and before anything is loaded: loading clears it.
        with silent_stderr():
            metadata, orientation = meta.read_metadata(image, name)
            image.load()
        if image.format == "TIFF":
            orientation = 1  # Both libraries apply it to TIFF files on their own.
        palette = None
        if bits(raw_mode) == 16:
            kind, raw, alpha = decode_16bit(name, data, image, raw_mode, page or 1)
        elif image.mode == "F":
            kind, raw, alpha = decode_float(name, image)
        else:
            kind, raw, alpha, palette = unpack_8bit(name, image, png_chunks.gray_key(data))
        jpeg = Jpeg.of(image, data, orientation)
        damage = None if jpeg is None else damage_of_jpeg(data)
        if damage is not None:
            raise PictureError(
                f"{name}: the file is damaged or cut short ({damage}); get it again, or save what other programs show as PNG"
            )
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
    data = file_bytes(Path(path))
    try:
        with silent_libraries():
            record = Image.open(BytesIO(data), formats=["PNG"]).info.get(meta.RECORD)
    except Exception:  # Damaged bytes raise errors of many types.
        return None
    return str(record) if isinstance(record, str) else None


@contextmanager
def as_picture_errors(name: str, data: bytes = b"") -> Iterator[None]:
    """Inside: the libraries are silent, and their errors become a one-line PictureError about the file `name`.

    Args:
        data: the file, to tell a kind that is not supported from damage.
    """
    try:
        with silent_libraries(), bounded_frames(current().pixels):
            yield
    except (PictureError, OutOfMemoryError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        size, allowed = int(re.findall(r"\d+", str(error))[0]) / 1e6, current().pixels / 1e6
        raise PictureError(
            f"{name}: it has {size:.3g} megapixels, more than the {allowed:.4g} allowed; {called('max_pixels')} allows more"
        ) from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{name}: {said_of(data)}") from error
    except Exception as error:  # Damaged bytes raise errors of many types in Pillow and OpenCV.
        if isinstance(error, NotImplementedError) or "unsupported" in str(error).lower():  # Of a kind that Pillow knows.
            raise PictureError(f"{name}: this kind is not supported ({_said(error)}); save it as plain PNG or TIFF") from error
        raise PictureError(f"{name}: the file is damaged or cut short ({_said(error)}); get it again") from error


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _seek(name: str, image: ImageFile.ImageFile, page: int | None) -> None:
    """Go to a page or frame, from 1 on. Raises PictureError if there are several and none is named, or not so many."""
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if page is None and frames > 1:
        what, unit = ("has several pages", "pages") if image.format == "TIFF" else ("is animated", "frames")
        raise PictureError(
            f"{name}: the picture {what} ({frames} {unit}); "
            + told(
                command=f"name one with --page, from 1 to {frames}, or --frames all",
                python=f"give one as a PIL picture, or restore.images.read(path, page=N), N from 1 to {frames}",
            )
        )
    if page is not None and page > frames:
        raise PictureError(f"{name}: there is no page {page}; the file has {frames}")
    if page is not None and frames > 1:
        # Pages have sizes of their own. A frame of a GIF may enlarge the picture, which Pillow does on the way to the next.
        for index in range(page - 1 if image.format == "TIFF" else 1, page):
            image.seek(index)
            _check(name, image)


def _check(name: str, image: ImageFile.ImageFile) -> None:
    """Raises PictureError or OutOfMemoryError for a page that is larger than allowed."""
    current().check(name, *image.size, channels=len(image.getbands()), depth=bits(raw_mode_of(image)))
