"""Animated AVIF files without the time of writing, so that the same frames are the same bytes.

The boxes are those of ISO/IEC 14496-12 (2022), sections 4.2 and 8.2 to 8.4: a length of 32 bits, a name, the content.
"""

from __future__ import annotations

_CONTAINERS = (b"moov", b"trak", b"mdia")
_DATED = (b"mvhd", b"tkhd", b"mdhd")


def undated(data: bytes) -> bytes:
    """The same file with creation and modification times of 0, which stands for unknown."""
    file = bytearray(data)
    _clear(file, 0, len(file))
    return bytes(file)


def _clear(file: bytearray, start: int, end: int) -> None:
    while start + 8 <= end:
        length, name = int.from_bytes(file[start : start + 4], "big"), bytes(file[start + 4 : start + 8])
        if length < 8:  # Up to the end of the file, or of 64 bits: the samples, behind all that is dated.
            return
        if name in _CONTAINERS:
            _clear(file, start + 8, start + length)
        if name in _DATED:
            times = 16 if file[start + 8] == 1 else 8  # Two numbers, of 64 bits in version 1.
            file[start + 12 : start + 12 + times] = bytes(times)
        start += length
