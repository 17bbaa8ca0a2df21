"""File formats: their suffixes, and what each can hold."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

SUFFIXES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".avif": "AVIF",
    ".jp2": "JPEG2000",
    ".heic": "HEIF",
    ".heif": "HEIF",
    ".jxl": "JXL",
}
"""Lower-case suffix -> Pillow's name of the format."""

EXTRAS = {"HEIF": ("pillow_heif", "heic"), "JXL": ("pillow_jxl", "jxl")}
"""Format -> the module that Pillow needs for it, and the extra of this distribution that installs it."""

SIXTEEN_BIT = ("PNG", "TIFF")
"""Formats with 16-bit samples."""

CMYK = ("JPEG", "TIFF")
"""Formats with CMYK samples."""

OPAQUE = ("JPEG",)
"""Formats without transparency."""

COLOUR_ONLY = ("WEBP", "AVIF", "HEIF")
"""Formats without gray samples."""

LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383, "GIF": 65535, "AVIF": 65535, "HEIF": 65535}
"""The largest width and height, in pixels, of formats that have a limit."""


def readable() -> list[str]:
    """Pillow's names of the formats that can be read here."""
    return [name for name in dict.fromkeys(SUFFIXES.values()) if is_installed(name)]


def is_installed(name: str) -> bool:
    """Whether the package that a format needs is installed."""
    return name not in EXTRAS or find_spec(EXTRAS[name][0]) is not None


def register() -> None:
    """Let Pillow read and write the formats of packages that are installed."""
    for name, (module, _) in EXTRAS.items():
        if is_installed(name):
            found = import_module(module)
            if name == "HEIF":
                found.register_heif_opener()
