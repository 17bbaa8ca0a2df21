"""File formats: their suffixes, and what each can hold."""

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
"""Lower-case suffix -> Pillow's name of the format."""

SIXTEEN_BIT = ("PNG", "TIFF")
"""Formats with 16-bit samples."""

CMYK = ("JPEG", "TIFF")
"""Formats with CMYK samples."""

LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383}
"""The largest width and height, in pixels, of formats that have a limit."""
