"""The chunks of a PNG, whose checksums tell damaged files from whole ones (W3C, "Portable Network Graphics", section 5)."""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from restore.errors import PictureError
from restore.images.samples import Samples

log = logging.getLogger(__name__)

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BESIDE = frozenset(b"tEXt zTXt iTXt eXIf iCCP sRGB gAMA cHRM pHYs tIME bKGD hIST sBIT sPLT".split())
"""Chunks whose damage leaves the pixels whole. Of another type, a damaged one may be tRNS with its name damaged."""
_GRAY = 0  # Colour type of gray without alpha.


def without_damage(data: bytes, name: str) -> bytes:
    """The file without damaged chunks that a picture can do without, each named in a warning; other formats unchanged.

    Pillow does not check the sums of pixel data, and refuses a file for a damaged text.

    Args:
        name: what messages call the file.

    Raises: PictureError if a chunk that the picture needs is damaged, or the file is cut short.
    """
    if not data.startswith(SIGNATURE):
        return data
    kept, dropped = [SIGNATURE], []
    for kind, chunk, whole in _chunks(data, name):
        needed = kind not in _BESIDE
        if needed and not whole:
            raise PictureError(f"{name}: the file is damaged (chunk {_said(kind)} has a wrong checksum); get it again")
        if whole and (kind != b"iCCP" or _is_profile(chunk[8:-4])):
            kept.append(chunk)
        else:
            dropped.append(_said(kind))
    if not dropped:
        return data
    log.warning("%s: damaged chunk(s) %s are left out; the pixels are whole", name, ", ".join(dropped))
    return b"".join(kept)


def gray_key(data: bytes) -> int | None:
    """The transparent gray level of a gray PNG (chunk tRNS), scaled to 8 bits from 1, 2 or 4; None without one.

    Pillow reports it as it stands in the file, beside samples that it has scaled.
    """
    if not data.startswith(SIGNATURE) or len(data) < 26 or data[25] != _GRAY or data[24] > 8:
        return None
    for kind, chunk, _ in _chunks(data, ""):
        if kind == b"tRNS" and len(chunk) == 14:
            return int(struct.unpack(">H", chunk[8:10])[0]) * 255 // (2 ** data[24] - 1)
        if kind == b"IDAT":
            break
    return None


def alpha_of_key(samples: Samples, key: int) -> Samples:
    """Alpha (H, W) uint8: 0 where samples (H, W) of 8 bits are the transparent level, 255 elsewhere."""
    return np.where(samples == key, 0, 255).astype(np.uint8)


def _chunks(data: bytes, name: str) -> Iterator[tuple[bytes, bytes, bool]]:
    """(type, the whole chunk, whether its checksum is right) up to IEND. Raises PictureError if the file ends before it."""
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 12 + length
        kind = data[at + 4 : at + 8]
        if end > len(data):
            break
        yield kind, data[at:end], zlib.crc32(data[at + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")
        if kind == b"IEND":
            return
        at = end
    raise PictureError(f"{name}: the file is damaged or cut short (it ends inside a chunk); get it again")


def _is_profile(content: bytes) -> bool:
    """Whether a chunk iCCP holds a name and a compressed profile."""
    title, found, packed = content.partition(b"\0")
    if not found or not 0 < len(title) < 80 or packed[:1] != b"\0":
        return False
    try:
        return len(zlib.decompressobj().decompress(packed[1:], 2**26)) >= 128  # The length of a profile's header.
    except zlib.error:
        return False


def _said(kind: bytes) -> str:
    return ascii(kind.decode("latin-1"))[1:-1]  # A line break would break the message.
