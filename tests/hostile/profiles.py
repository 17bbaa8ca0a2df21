"""ICC profiles of displays: a matrix and one tone curve (ICC.1:2022, sections 7.2 and 8.3.3)."""

from __future__ import annotations

import struct

# Colorants red, green and blue as XYZ under D50: Display P3, Adobe RGB (1998), BT.2020 and ROMM RGB (ISO 22028-2).
PRIMARIES = {
    "p3": [(0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)],
    "adobe": [(0.6098, 0.3111, 0.0195), (0.2052, 0.6257, 0.0609), (0.1492, 0.0632, 0.7448)],
    "bt2020": [(0.6735, 0.2790, -0.0019), (0.1657, 0.6753, 0.0300), (0.1251, 0.0456, 0.7968)],
    "romm": [(0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0314, 0.0001, 0.8252)],
}
_D50 = (0.9642, 1.0, 0.8249)


def profile(primaries: str, gamma: float) -> bytes:
    """A profile of version 2 that other programs read, too."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    title = b"desc\0\0\0\0" + struct.pack(">I", len(primaries) + 1) + primaries.encode() + bytes(79)
    tags = [(b"desc", title + bytes(-len(title) % 4)), (b"wtpt", _xyz(_D50)), (b"cprt", b"text\0\0\0\0none\0\0\0\0")]
    tags += [(name, _xyz(column)) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), PRIMARIES[primaries], strict=True)]
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    table, data, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, tag in tags:
        table += struct.pack(">4sII", name, start + len(data), len(tag))
        data += tag
    head = struct.pack(">I4sI4s4s4s12s4s", start + len(data), b"", 0x02100000, b"mntr", b"RGB ", b"XYZ ", bytes(12), b"acsp")
    white = struct.pack(">3i", *(round(value * 65536) for value in _D50))
    return (head.ljust(68, b"\0") + white).ljust(128, b"\0") + table + data


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in values)
