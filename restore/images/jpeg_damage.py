"""Whether the data of a JPEG are damaged, as far as libjpeg notices; the format has no checksums."""

from __future__ import annotations

import os
import re
import tempfile

import cv2
import numpy as np

from restore.images.silence import stderr_to

_SCAN, _END = b"\xff\xda", b"\xff\xd9"  # Markers (ITU-T T.81, table B.1).
_EXTRANEOUS = re.compile(r"Corrupt JPEG data: \d+ extraneous bytes before marker 0x([0-9a-f]{2})")


def damage_of_jpeg(data: bytes) -> str | None:
    """What libjpeg warns of, one line; None for data that decode without a warning, or whose fault is harmless.

    Pillow ignores these warnings, such as of data that end too early; OpenCV prints them. Harmless is what stands between the
    segments before the pixels, and zeros that fill the file up to its end. As libjpeg says its first warning alone, what is
    harmless is taken out and the rest decoded once more.
    """
    said = _warning(data)
    found = None if said is None else _EXTRANEOUS.match(said)
    if found is None:
        return said
    without = _without_stray_bytes(data)
    if without == data and found[1] == "d9":
        without = _without_filling(data)
    return said if without == data else _warning(without)


def _warning(data: bytes) -> str | None:
    """libjpeg's first warning. Decoding at an eighth of the size still reads every coefficient."""
    with tempfile.TemporaryFile() as file:
        with stderr_to(file.fileno()):
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
        file.seek(0, os.SEEK_SET)
        lines = file.read().decode("utf-8", "replace").splitlines()
    return next((line.strip() for line in lines if line.startswith(("Corrupt JPEG", "Premature end"))), None)


def _without_stray_bytes(data: bytes) -> bytes:
    """The file without what stands between its segments up to the first scan."""
    kept, at = [data[:2]], 2
    while 0 <= (start := data.find(b"\xff", at)) < len(data) - 4:
        if data[start + 1] in (0x00, 0xFF):  # No marker.
            at = start + 1
            continue
        if data[start : start + 2] == _SCAN:
            return b"".join(kept) + data[start:]
        end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        kept.append(data[start:end])
        at = end
    return data


def _without_filling(data: bytes) -> bytes:
    """The file without zeros before the marker of its end.

    Where they stand in place of pixels that were lost, this file ends too early, and libjpeg says so.
    """
    end = data.rfind(_END)
    kept = data[:end].rstrip(b"\0")
    if kept.endswith(b"\xff"):  # Its zero belongs to it.
        kept += b"\0"
    return kept + data[end:] if end > 0 else data
