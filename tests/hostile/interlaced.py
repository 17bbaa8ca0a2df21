"""PNG files of every colour type and depth, whole or interlaced, with a transparent colour or a palette with alpha."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import PngImagePlugin

SIGNATURE = b"\x89PNG\r\n\x1a\n"
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Adam7 (W3C, "Portable Network Graphics", section 8.2): first row and column of each pass, and its steps.
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))

Case = tuple[str, bytes, np.ndarray | None]


def packed(samples: np.ndarray, bits: int) -> bytes:
    """One row of samples, the highest bits first, filled up to whole bytes."""
    if bits == 16:
        return samples.astype(">u2").tobytes()
    parts = (samples[:, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(parts.ravel().astype(np.uint8)).tobytes()


def rows_of(values: np.ndarray, bits: int) -> bytes:
    return b"".join(b"\0" + packed(row.ravel(), bits) for row in values)


def png_of(values: np.ndarray, bits: int, colour: int, *between: tuple[bytes, bytes], interlaced: bool = False) -> bytes:
    """A PNG of values (H, W, C) as they stand in the file.

    Args:
        between: chunks before the pixels, (name, content) each.
    """
    data = rows_of(values, bits)
    if interlaced:
        passes = [values[top::down, left::right] for top, left, down, right in PASSES]
        data = b"".join(rows_of(one, bits) for one in passes if one.size)
    height, width = values.shape[:2]
    file = BytesIO()
    file.write(SIGNATURE)
    PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced)))
    for name, content in between:
        PngImagePlugin.putchunk(file, name, content)
    PngImagePlugin.putchunk(file, b"IDAT", zlib.compress(data))
    PngImagePlugin.putchunk(file, b"IEND")
    return file.getvalue()


def files(height: int = 9, width: int = 13) -> Iterator[Case]:
    """Every colour type and depth (table 11.1), each whole and interlaced; and where it may be, with a transparent colour.

    The samples are None where the file has transparency: below it the reader fills colours in.
    """
    rng = np.random.default_rng(0)
    for colour, depths in DEPTHS.items():
        for bits in depths:
            values = rng.integers(0, 2**bits, (height, width, CHANNELS[colour]))
            palette = rng.integers(0, 256, (2**bits, 3), dtype=np.uint8)
            chunks = [(b"PLTE", palette.tobytes())] if colour == 3 else []
            samples = palette[values[..., 0]] if colour == 3 else values * 255 // (2**bits - 1) if bits < 8 else values
            samples = samples[..., : 1 if samples.shape[2] < 3 else 3].astype(np.uint16 if bits == 16 else np.uint8)
            keys = {0: values[4, 6].astype(">u2").tobytes(), 2: values[4, 6].astype(">u2").tobytes(), 3: bytes([0, 99])}
            for interlaced in (False, True):
                name = f"type{colour}-{bits}{'-interlaced' if interlaced else ''}"
                known = None if colour in (4, 6) else samples
                yield f"{name}.png", png_of(values, bits, colour, *chunks, interlaced=interlaced), known
                if colour in keys:
                    data = png_of(values, bits, colour, *chunks, (b"tRNS", keys[colour]), interlaced=interlaced)
                    yield f"{name}-key.png", data, None
    for side in range(1, 6):  # Some passes are empty.
        values = rng.integers(0, 256, (side, 6 - side, 3))
        yield f"{6 - side}x{side}-interlaced.png", png_of(values, 8, 2, interlaced=True), values.astype(np.uint8)
