"""Write a `Picture` to a file."""

from __future__ import annotations

import logging
import os
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np

from restore.errors import PictureError, UsageError
from restore.files import write_atomically
from restore.images import palette as palettes
from restore.images import tiff
from restore.images.encode import encode_16bit_png, encode_with_opencv, pillow_options
from restore.images.formats import (
    CMYK,
    COLOUR_ONLY,
    EXTRAS,
    LONGEST_SIDE,
    OPAQUE,
    SIXTEEN_BIT,
    SUFFIXES,
    is_installed,
    register,
)
from restore.images.metadata import Metadata
from restore.images.picture import Picture
from restore.images.samples import Samples, pillow_image, rgb_to_cmyk, to_gray_or_rgb
from restore.images.silence import silent_libraries

log = logging.getLogger(__name__)


def write(
    path: Path,
    picture: Picture,
    *,
    metadata: Literal["keep", "strip"] = "keep",
    record: str | None = None,
    overwrite: bool = False,
    quality: int | None = None,
) -> None:
    """Write the picture, whole or not at all, in the format of the suffix of `path`.

    The file has the picture's kind where the format allows it. Where it does not:

    - 16 bits become 8, with a warning, outside PNG and TIFF.
    - WebP, AVIF and HEIC have RGB only, JPEG neither palette nor 1 bit, TIFF no palette with alpha, BMP neither gray nor
      palette with alpha. Such pictures become gray or RGB with the same values.
    - GIF has 256 colours: other pictures are reduced to the most fitting ones.
    - Transparency in JPEG, CMYK outside JPEG and TIFF, and 16-bit gray with transparency in TIFF are errors.

    PNG, TIFF, WebP, BMP, JPEG 2000 and JPEG XL are lossless; AVIF and HEIC have quality 95. A JPEG has the quantisation tables
    and subsampling of a JPEG input, if that has the same size and a quality of at least 75; otherwise it has quality 95
    without subsampling.

    Args:
        metadata: "keep" writes all metadata the format can hold (BMP: resolution only). "strip" leaves out EXIF, XMP,
            resolution and text, and keeps the colour profile, which defines the colours.
        record: text to store under the key "restore" in a PNG (see `read_record`); not stored in other formats.
        overwrite: replace an existing file.
        quality: of a JPEG, 1 to 100; chroma is subsampled below 90.

    Raises: PictureError as `check_target`, and if the file cannot be written; UsageError for another value of `metadata`.
    """
    path = Path(path)
    check_target(path, picture, overwrite=overwrite)
    write_bytes(path, to_bytes(path, picture, metadata=metadata, record=record, quality=quality), overwrite=overwrite)


def write_bytes(path: Path, data: bytes, *, overwrite: bool) -> None:
    """Write a file, whole or not at all. Raises PictureError if it exists without `overwrite`, or cannot be written."""
    try:
        write_atomically(path, data, overwrite=overwrite)
    except FileExistsError as error:  # Written by another process meanwhile.
        raise PictureError(f"{path}: exists already; allow overwriting or name another file") from error
    except OSError as error:
        raise PictureError(f"{path}: cannot be written ({error.strerror}); check space and permissions") from error


def to_bytes(
    path: Path,
    picture: Picture,
    *,
    metadata: Literal["keep", "strip"] = "keep",
    record: str | None = None,
    quality: int | None = None,
) -> bytes:
    """The bytes that `write` would write; arguments and errors as there, but for the file itself."""
    if metadata not in ("keep", "strip"):
        raise UsageError(f"metadata {metadata!r} is unknown; give 'keep' or 'strip'")
    check_format(path, picture)
    kept = picture.metadata if metadata == "keep" else picture.metadata.stripped()
    try:
        with silent_libraries():
            return encode(path, picture, kept, record, quality)
    except (PictureError, MemoryError):
        raise
    except Exception as error:  # Unusual metadata raises errors of many types in Pillow and OpenCV.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"{path}: cannot be written in this format ({reason}); strip the metadata or name a .png") from error


def check_target(path: Path, picture: Picture, *, overwrite: bool = False) -> None:
    """Check before a long run that `write` can write this file.

    Raises: PictureError for an unknown suffix, an existing file without `overwrite`, a missing or unwritable folder, and a
    format that cannot hold the picture's kind or size.
    """
    path = Path(path)
    check_format(path, picture)
    try:
        _check_place(path, overwrite)
    except OSError as error:
        raise PictureError(f"{path}: cannot be written ({error.strerror}); check its name and permissions") from error


def check_format(path: Path, picture: Picture) -> None:
    """Raises PictureError for an unknown suffix, and a format that cannot hold the picture's kind or size."""
    kind_of_file = SUFFIXES.get(path.suffix.lower())
    if kind_of_file is None:
        raise PictureError(f"{path}: the suffix {path.suffix!r} names no known format; use one of {', '.join(SUFFIXES)}")
    if not is_installed(kind_of_file):
        raise PictureError(f"{path}: {path.suffix} needs a package: pip install 'diffusion-restore[{EXTRAS[kind_of_file][1]}]'")
    if picture.kind == "cmyk" and kind_of_file not in CMYK:
        raise PictureError(f"{path}: {path.suffix} holds no CMYK; name a .tif or .jpg")
    if _has_transparency(picture):
        if kind_of_file in OPAQUE:
            raise PictureError(f"{path}: {path.suffix} holds no transparency; name a .png, .tif or .webp")
        if kind_of_file == "TIFF" and picture.kind == "gray" and picture.depth == 16:
            raise PictureError(f"{path}: 16-bit gray with transparency goes into PNG only; name a .png")
    longest = LONGEST_SIDE.get(kind_of_file)
    if longest is not None and max(picture.size) > longest:
        height, width = picture.size
        raise PictureError(
            f"{path}: {width}x{height} exceeds the {longest} pixels a side of {path.suffix}; name a .png or .tif"
        )


def _check_place(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise PictureError(f"{path}: is a folder; name a file in it")
    if path.exists() and not overwrite:
        raise PictureError(f"{path}: exists already; allow overwriting or name another file")
    if not path.parent.is_dir():
        raise PictureError(f"{path}: the folder {path.parent} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise PictureError(f"{path}: the folder {path.parent} cannot be written to; check its permissions")


def _has_transparency(picture: Picture) -> bool:
    return picture.alpha is not None and bool((picture.alpha != np.iinfo(picture.alpha.dtype).max).any())


def encode(path: Path, picture: Picture, metadata: Metadata, record: str | None, quality: int | None = None) -> bytes:
    """The bytes of a file in the format of a suffix, without checks."""
    form = SUFFIXES[path.suffix.lower()]
    if form == "TIFF":
        return tiff.join([tiff_page(picture, metadata)])
    samples, alpha = picture.samples(), picture.alpha
    if form == "JPEG" and not _has_transparency(picture):  # Fully opaque: alpha can be left out without loss.
        alpha = None
    if picture.depth == 16 and form not in SIXTEEN_BIT:
        log.warning("%s: 16-bit samples become 8-bit, since %s holds no more", path, path.suffix)
        samples, alpha = to_8_bits(samples), None if alpha is None else to_8_bits(alpha)
    if form == "PNG" and picture.depth == 16:
        return encode_16bit_png(samples, alpha, metadata, record)
    if form in ("BMP", "GIF", "JPEG2000") and (metadata.exif or metadata.icc or metadata.xmp):
        log.warning("%s: %s holds no EXIF, XMP or colour profile here; they are left out", path, path.suffix)
    mode, array, palette = _pillow_layout(form, picture, samples, alpha)
    if form == "BMP" and mode == "RGBA":  # Pillow marks the fourth channel as padding.
        return encode_with_opencv(".bmp", array[..., [2, 1, 0, 3]], Metadata())
    options = pillow_options(form, metadata, record)
    if form == "JPEG":
        options |= _jpeg_quality(picture) if quality is None else {"quality": quality, "subsampling": 0 if quality >= 90 else 2}
    image = pillow_image(mode, array) if mode != "1" else pillow_image("L", array * np.uint8(255)).convert("1")
    if palette is not None:
        image.putpalette(palette[:, :3].tobytes())
        if alpha is not None:
            options["transparency"] = palette[:, 3].tobytes()
    register()
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def to_8_bits(values: Samples) -> Samples:
    """16-bit samples as 8-bit ones, rounded."""
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _pillow_layout(form: str, picture: Picture, samples: Samples, alpha: Samples | None) -> tuple[str, Samples, Samples | None]:
    """The Pillow mode closest to the picture's kind that the format holds, the array for it, and the palette if it has one."""
    if picture.kind == "palette" and (form == "PNG" or (form in ("BMP", "GIF") and alpha is None)):
        index, palette = _indexed(picture, samples, alpha)
        return "P", index, palette
    if picture.kind == "bilevel" and alpha is None and form in ("PNG", "BMP"):
        return "1", (samples[..., 0] >= 128).astype(np.uint8), None
    if picture.kind == "cmyk":
        return "CMYK", _cmyk(picture, samples), None
    if samples.shape[2] == 1 and (form in COLOUR_ONLY or (form == "BMP" and alpha is not None)):
        samples = np.repeat(samples, 3, axis=2)
    mode = "L" if samples.shape[2] == 1 else "RGB"
    if alpha is None:
        return mode, samples, None
    return mode + "A", np.dstack([samples, alpha]), None


def _indexed(picture: Picture, samples: Samples, alpha: Samples | None) -> tuple[Samples, Samples]:
    assert picture.palette is not None
    return palettes.of_picture(samples, alpha, picture.raw, picture.palette)


def _cmyk(picture: Picture, samples: Samples) -> Samples:
    converted = rgb_to_cmyk(samples)
    if picture.raw is None:
        return converted
    unchanged = (samples == to_gray_or_rgb("cmyk", picture.raw, None)).all(axis=2, keepdims=True)
    return np.where(unchanged, picture.raw, converted)


def _jpeg_quality(picture: Picture) -> dict[str, Any]:
    # A mean luminance step of 30 is quality 75. Coarser tables would bring back the artefacts that were restored.
    if picture.jpeg is not None and sum(picture.jpeg.tables[0]) <= 30 * 64:
        return {"qtables": [list(table) for table in picture.jpeg.tables], "subsampling": picture.jpeg.subsampling}
    return {"quality": 95, "subsampling": 0}


def tiff_page(picture: Picture, metadata: Metadata) -> tiff.Page:
    """A picture as a page of a TIFF file, without checks."""
    samples, alpha = picture.samples(), picture.alpha
    if picture.kind == "gray" and picture.depth == 16 and not _has_transparency(picture):
        alpha = None  # Fully opaque: it can be left out without loss.
    if alpha is not None:
        kind = "gray" if samples.shape[2] == 1 else "colour"
        return tiff.page(kind, np.dstack([samples, alpha]), metadata, alpha=True)
    if picture.kind == "palette":
        index, palette = _indexed(picture, samples, None)
        return tiff.page("palette", index[..., None], metadata, palette=palette)
    if picture.kind == "bilevel":
        return tiff.page("bilevel", (samples >= 128).astype(np.uint8), metadata)
    if picture.kind == "cmyk":
        return tiff.page("cmyk", _cmyk(picture, samples), metadata)
    return tiff.page(picture.kind, samples, metadata)
