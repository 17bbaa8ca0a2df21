"""TIFF files of kinds that cameras, scanners and microscopes write and Pillow does not (TIFF 6.0, 1992)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from test_damaged_files import smooth

Case = tuple[str, bytes, np.ndarray | None]
DEFLATE, PLAIN, DIFFERENCES = 8, 1, 2
FORMATS = {"u": 1, "f": 3}
MIN_IS_WHITE, MIN_IS_BLACK, RGB = 0, 1, 2


@dataclass(frozen=True)
class Page:
    """How one page is stored.

    Attributes:
        samples: (H, W, C) uint8, uint16, float32 or float64.
        tile: its side in pixels, a multiple of 16 (section 15); None for strips.
        rows: of a strip.
        planar: channels one after the other.
    """

    samples: np.ndarray
    tile: int | None = None
    rows: int = 7
    packed: bool = False
    differences: bool = False
    planar: bool = False
    inverted: bool = False

    def parts(self) -> Iterator[np.ndarray]:
        height, width, channels = self.samples.shape
        planes = np.split(self.samples, channels, axis=2) if self.planar else [self.samples]
        for plane in planes:
            if self.tile is None:
                yield from (plane[top : top + self.rows] for top in range(0, height, self.rows))
                continue
            whole = np.pad(plane, [(0, -height % self.tile), (0, -width % self.tile), (0, 0)], mode="edge")
            for top in range(0, height, self.tile):
                for left in range(0, width, self.tile):
                    yield whole[top : top + self.tile, left : left + self.tile]


def tiff_of(pages: Sequence[Page], order: str = "<") -> bytes:
    """A file of one page or more, in one byte order."""
    file = bytearray((b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8))
    for number, page in enumerate(pages, 1):
        data = [_encoded(part, page, order) for part in page.parts()]
        height, width, channels = page.samples.shape
        photometric = RGB if channels >= 3 else MIN_IS_WHITE if page.inverted else MIN_IS_BLACK
        tags: dict[int, tuple[str, Sequence[int]]] = {
            256: ("I", [width]),
            257: ("I", [height]),
            258: ("H", [page.samples.dtype.itemsize * 8] * channels),
            259: ("H", [DEFLATE if page.packed else 1]),
            262: ("H", [photometric]),
            277: ("H", [channels]),
            284: ("H", [2 if page.planar else 1]),
            317: ("H", [DIFFERENCES if page.differences else PLAIN]),
            339: ("H", [FORMATS[page.samples.dtype.kind]] * channels),
        }
        sizes, places = (279, 273) if page.tile is None else (325, 324)
        tags |= {278: ("I", [page.rows])} if page.tile is None else {322: ("I", [page.tile]), 323: ("I", [page.tile])}
        if channels == 4:
            tags[338] = ("H", [2])
        tags[sizes], tags[places] = ("I", [len(one) for one in data]), ("I", [0] * len(data))
        end = len(file) + 2 + 12 * len(tags) + 4  # Of the directory; then long values, then the data.
        start = end + sum(len(values) * struct.calcsize(kind) for kind, values in tags.values() if _is_long(kind, values))
        tags[places] = ("I", [start + sum(map(len, data[:index])) for index in range(len(data))])
        entries, beside = b"", b""
        for tag, (kind, values) in sorted(tags.items()):
            content = struct.pack(f"{order}{len(values)}{kind}", *values)
            if _is_long(kind, values):
                content, beside = struct.pack(f"{order}I", end + len(beside)), beside + content
            entries += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[kind], len(values)) + content.ljust(4, b"\0")
        body = b"".join(data)
        body += bytes((start + len(body)) % 2)
        following = start + len(body) if number < len(pages) else 0
        file += struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}I", following) + beside + body
    return bytes(file)


def _is_long(kind: str, values: Sequence[int]) -> bool:
    return len(values) * struct.calcsize(kind) > 4


def _encoded(part: np.ndarray, page: Page, order: str) -> bytes:
    if page.inverted:
        part = np.iinfo(part.dtype).max - part
    if page.differences:
        part = np.concatenate([part[:, :1], part[:, 1:] - part[:, :-1]], axis=1)
    data = part.astype(part.dtype.newbyteorder(order)).tobytes()
    return zlib.compress(data) if page.packed else data


def deep(channels: int = 3, height: int = 40, width: int = 51) -> np.ndarray:
    """16-bit samples whose low bytes matter."""
    noise = np.random.default_rng(2).integers(0, 256, (height, width, channels), np.uint16)
    return smooth(height, width, channels).astype(np.uint16) * 256 + noise


def pages() -> Iterator[tuple[str, list[Page], str]]:
    """Name, pages and byte order of every file."""
    for depth in (8, 16):
        for channels in (1, 3, 4):
            made = smooth(40, 51, channels) if depth == 8 else deep(channels)
            kind = f"{channels}x{depth}"
            yield f"strips-{kind}", [Page(made)], "<"
            yield f"tiles-{kind}", [Page(made, tile=16)], "<"
            yield f"tiles-packed-{kind}", [Page(made, tile=32, packed=True, differences=True)], "<"
            yield f"big-endian-{kind}", [Page(made, packed=True)], ">"
            if channels > 1 and depth == 8:  # Of 16 bits they are refused: OpenCV takes them for pixels.
                yield f"planar-{kind}", [Page(made, planar=True)], "<"
        one = smooth(40, 51, 1) if depth == 8 else deep(1)
        yield f"white-is-zero-{depth}", [Page(one, inverted=True)], "<"
        several = [Page(np.roll(deep() if depth == 16 else smooth(40, 51), shift, axis=0)) for shift in (0, 3, 9)]
        yield f"pages-{depth}", several, "<"
        yield f"pages-tiled-{depth}", [Page(page.samples, tile=16, packed=True) for page in several], ">"
    for dtype in (np.float32, np.float64):
        for channels in (1, 3):
            made = (deep(channels) / 65535).astype(dtype)
            kind = f"{channels}x{np.dtype(dtype).itemsize * 8}"
            yield f"float-{kind}", [Page(made)], "<"
            yield f"float-tiles-{kind}", [Page(made, tile=16, packed=True)], ">"


def files() -> Iterator[Case]:
    """Those of one page, with the samples that must be read; None below transparency."""
    for name, made, order in pages():
        if len(made) == 1:
            samples = made[0].samples
            expected = np.rint(samples.astype(np.float64) * 65535).astype(np.uint16) if samples.dtype.kind == "f" else samples
            yield f"{name}.tif", tiff_of(made, order), expected[..., :3] if samples.shape[2] == 4 else expected
