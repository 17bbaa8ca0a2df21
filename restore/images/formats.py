"""Which suffix means which format, and what each format can hold."""

from __future__ import annotations

SUFFIXES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".bmp": "BMP",
}
"""Suffix, in lower case, to the name of its format."""

DEEP = ("PNG", "TIFF")
"""Formats with 16-bit samples."""

CMYK = ("JPEG", "TIFF")
"""Formats with CMYK samples."""

LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383}
"""Formats with a limit to width and height, in pixels."""
