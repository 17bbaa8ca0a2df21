"""Encoder options of Pillow and OpenCV, and 16-bit PNG, which neither of them writes completely."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from PIL import PngImagePlugin

from restore.images.metadata import Metadata
from restore.images.samples import Samples, pillow_image
from restore.images.silence import silent_stderr

_PNG_HEADER = 33  # signature and IHDR chunk, the same length in every file


_LOSSLESS: dict[str, dict[str, Any]] = {
    "WEBP": {"lossless": True, "exact": True},
    "JXL": {"lossless": True},
    # Their encoders here have no lossless way.
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
    "HEIF": {"quality": 95, "chroma": 444},
}


def pillow_options(form: str, metadata: Metadata, record: str | None) -> dict[str, Any]:
    """The keywords of `Image.save` for this format and metadata.

    Args:
        form: a format of `SUFFIXES`.
        record: text stored under the key "restore" in a PNG.
    """
    options: dict[str, Any] = {}
    if metadata.dpi is not None and form != "WEBP":
        options["dpi"] = metadata.dpi
    if form in ("BMP", "GIF", "JPEG2000"):
        return options
    exif = metadata.exif_with_dpi(always=form == "WEBP")
    if exif is not None:
        options["exif"] = exif
    if metadata.icc is not None:
        options["icc_profile"] = metadata.icc
    if form == "PNG":
        # zlib's default level takes three times as long on photographs, for files that are 1 to 4 % smaller.
        return options | {"pnginfo": metadata.png_text(record), "compress_level": 4}
    if metadata.xmp is not None:
        options["xmp"] = metadata.xmp
    return options | _LOSSLESS.get(form, {})


def encode_16bit_png(samples: Samples, alpha: Samples | None, metadata: Metadata, record: str | None) -> bytes:
    """A PNG file of 16-bit gray or RGB samples (H, W, C), with alpha (H, W) if given."""
    if samples.shape[2] == 1 and alpha is not None:
        return _encode_16bit_gray_alpha_png(np.dstack([samples, alpha]), metadata, record)
    array = samples[..., 0] if samples.shape[2] == 1 else samples[..., ::-1]
    data = encode_with_opencv(".png", array if alpha is None else np.dstack([array, alpha]), metadata)
    # OpenCV writes neither resolution nor text. The format allows these chunks directly after the header.
    file = BytesIO()
    file.write(data[:_PNG_HEADER])
    if metadata.dpi is not None:
        x, y = (round(value / 0.0254) for value in metadata.dpi)
        PngImagePlugin.putchunk(file, b"pHYs", struct.pack(">IIB", x, y, 1))
    for chunk in metadata.png_text(record).chunks:
        PngImagePlugin.putchunk(file, chunk[0], chunk[1])
    file.write(data[_PNG_HEADER:])
    return file.getvalue()


def _encode_16bit_gray_alpha_png(samples: Samples, metadata: Metadata, record: str | None) -> bytes:
    """16-bit gray with alpha, which neither library writes.

    Its bytes are laid out as those of 8-bit RGBA, so Pillow encodes it as RGBA and the header is replaced.
    """
    height, width = samples.shape[:2]
    file = BytesIO()
    pillow_image("RGBA", samples.astype(">u2")).save(file, "PNG", **pillow_options("PNG", metadata, record))
    header = BytesIO()
    header.write(file.getvalue()[:8])
    PngImagePlugin.putchunk(header, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 4, 0, 0, 0))
    return header.getvalue() + file.getvalue()[_PNG_HEADER:]


def encode_with_opencv(suffix: str, array: Samples, metadata: Metadata) -> bytes:
    """Encode gray, BGR or BGRA with OpenCV, with EXIF and colour profile.

    XMP is left out: OpenCV stores it in a PNG chunk that few programs read.
    """
    exif = metadata.exif_with_dpi()
    blocks = {
        cv2.IMAGE_METADATA_EXIF: None if exif is None else exif.removeprefix(b"Exif\0\0"),
        cv2.IMAGE_METADATA_ICCP: metadata.icc,
    }
    given = {name: np.frombuffer(block, np.uint8) for name, block in blocks.items() if block is not None}
    with silent_stderr():
        done, data = cv2.imencodeWithMetadata(suffix, np.ascontiguousarray(array), list(given), list(given.values()))
    assert done
    return data.tobytes()
