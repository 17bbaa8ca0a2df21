"""TIFF files: a directory written by Pillow, and one strip of deflate-compressed samples.

Pillow's own TIFF writer has no 16-bit colour, and fails for compressed files with an EXIF directory. OpenCV's drops
all metadata.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from PIL.TiffTags import TAGS_V2_GROUPS

from restore.images.metadata import Metadata, inner_directory, load_exif
from restore.images.samples import Samples

_DEFLATE, _DIFFERENCES, _PLAIN, _STRAIGHT_ALPHA, _INCH = 8, 2, 1, 2, 2
_HEADER, _ENTRY = 8, 12  # Bytes.
_PHOTOMETRIC = {"bilevel": 1, "gray": 1, "colour": 2, "palette": 3, "cmyk": 5}


class Page(NamedTuple):
    """One page: its tags, and its compressed samples."""

    directory: ImageFileDirectory_v2
    strip: bytes


def page(kind: str, samples: Samples, metadata: Metadata, *, alpha: bool = False, palette: Samples | None = None) -> Page:
    """Encode one page.

    Args:
        kind: bilevel, gray, colour, palette or cmyk.
        samples: (H, W, C) uint8 or uint16; 0/1 for bilevel, indices for palette.
        alpha: the last channel is alpha.
        palette: (N, 4) uint8 RGBA, for kind palette.
    """
    height, width, channels = samples.shape
    directory = ImageFileDirectory_v2(prefix=b"II")
    exif = load_exif(metadata.exif)
    for tag in exif:
        directory[tag] = inner_directory(exif, tag) if tag in TAGS_V2_GROUPS else exif[tag]
    smooth = kind not in ("bilevel", "palette")
    directory[256], directory[257] = width, height
    directory[258] = (1,) if kind == "bilevel" else (samples.dtype.itemsize * 8,) * channels
    directory[259] = _DEFLATE
    directory[262] = _PHOTOMETRIC[kind]
    directory[277], directory[278], directory[284] = channels, height, 1
    directory[317] = _DIFFERENCES if smooth else _PLAIN
    if alpha:
        directory[338] = _STRAIGHT_ALPHA
    if palette is not None:
        colours = np.zeros((256, 3), np.int64)
        colours[: len(palette)] = palette[:, :3]
        directory[320] = tuple((colours.T * 257).reshape(-1).tolist())
    if metadata.icc is not None:
        directory[34675] = metadata.icc
    if metadata.xmp is not None:
        directory[700] = metadata.xmp
    if metadata.dpi is not None:
        directory[282], directory[283], directory[296] = (*metadata.dpi, _INCH)
    strip = zlib.compress(_strip(kind, samples, smooth))
    directory[279] = len(strip)
    directory[273] = 0  # Relative to the end of the directory, whose length is added on saving.
    return Page(directory, strip)


def encode(kind: str, samples: Samples, metadata: Metadata, *, alpha: bool = False, palette: Samples | None = None) -> bytes:
    """The file of one page; arguments as for `page`."""
    return join([page(kind, samples, metadata, alpha=alpha, palette=palette)])


def join(pages: Sequence[Page]) -> bytes:
    """The file of one page or more: each directory, its strip, and from each directory a link to the next."""
    file = bytearray(struct.pack("<2sHL", b"II", 42, _HEADER))
    for number, (directory, strip) in enumerate(pages, 1):
        start = len(file)
        file += directory.tobytes(start)
        file += strip
        if number < len(pages):
            file += bytes(len(file) % 2)  # Directories begin at even places.
            entries = int.from_bytes(file[start : start + 2], "little")
            struct.pack_into("<L", file, start + 2 + entries * _ENTRY, len(file))
    return bytes(file)


def _strip(kind: str, samples: Samples, smooth: bool) -> bytes:
    if kind == "bilevel":
        return np.packbits(samples[..., 0], axis=1).tobytes()
    if smooth:  # Differences wrap around modulo 2^depth, as the format defines.
        samples = np.concatenate([samples[:, :1], samples[:, 1:] - samples[:, :-1]], axis=1)
    return samples.astype(samples.dtype.newbyteorder("<")).tobytes()
