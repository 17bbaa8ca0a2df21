"""Metadata of picture files: EXIF, colour profile, XMP, resolution and text."""

from __future__ import annotations

import logging
import re
import struct
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

RECORD = "restore"
"""Key of the record in the text of a PNG."""

_XMP_IN_PNG = "XML:com.adobe.xmp"
_ORIENTATION = 0x0112
_RESOLUTION = (282, 283, 296)
_EXIF, _INTEROP, _WIDTH, _HEIGHT = 0x8769, 0xA005, 40962, 40963
# Tags that describe the layout of one TIFF file, or its pixels; the writer makes its own.
_LAYOUT = {*range(254, 267), 273, *range(277, 282), 284, *range(288, 294), 301, *range(317, 348), *range(512, 533)}
_LAYOUT |= {700, 34377, 34675, 37724, *_RESOLUTION}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Metadata:
    """Metadata of a picture whose EXIF orientation has been applied; every field may be empty.

    Attributes:
        exif: the EXIF block as Pillow reads and writes it, with orientation 1 and without a thumbnail of the old picture.
        icc: the ICC colour profile.
        xmp: the XMP packet.
        dpi: pixels per inch, (x, y).
        text: text chunks of a PNG, (key, value) each.
        png_colour: sRGB, gAMA and cHRM chunks of a PNG, (name, data) each.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    png_colour: tuple[tuple[bytes, bytes], ...] = ()

    def stripped(self) -> Metadata:
        """Only what defines the colours: profile and PNG colour chunks."""
        return Metadata(icc=self.icc, png_colour=self.png_colour)

    def without_profile(self) -> Metadata:
        return replace(self, icc=None, png_colour=())

    def for_size(self, height: int, width: int) -> Metadata:
        """The same, with this size in pixels where the EXIF block states a size."""
        exif = load_exif(self.exif)
        inner = exif.get_ifd(_EXIF)
        if _WIDTH not in inner and _HEIGHT not in inner:
            return self
        inner[_WIDTH], inner[_HEIGHT] = width, height
        return replace(self, exif=exif.tobytes())

    def exif_with_dpi(self, *, always: bool = False) -> bytes | None:
        """The EXIF block with the resolution in it.

        Args:
            always: make a block if there is none; WebP has no other place for the resolution.
        """
        if self.dpi is None or (self.exif is None and not always):
            return self.exif
        exif = load_exif(self.exif)
        for tag, value in zip(_RESOLUTION, (*self.dpi, 2), strict=True):
            exif[tag] = value
        return exif.tobytes()

    def png_text(self, record: str | None) -> PngInfo:
        """The chunks of a PNG besides profile, EXIF and resolution."""
        info = PngInfo()
        for name, data in self.png_colour:
            if self.icc is None or name != b"sRGB":  # The format allows either sRGB or a profile.
                info.add(name, data)
        if self.xmp is not None:
            info.add_itxt(_XMP_IN_PNG, self.xmp.decode("utf-8", "replace"))
        for key, value in self.text:
            info.add_text(key, value)
        if record is not None:
            info.add_text(RECORD, record)
        return info


def load_exif(block: bytes | None) -> Image.Exif:
    """The EXIF block as Pillow's mapping, with the EXIF directory inside it loaded; empty for None."""
    exif = Image.Exif()
    if block is not None:
        exif.load(block)
        exif.get_ifd(_EXIF)
    return exif


def inner_directory(exif: Image.Exif, tag: int) -> dict[int, Any]:
    """A directory inside the EXIF block; the interoperability directory in it replaces its offset."""
    inner = dict(exif.get_ifd(tag))
    if _INTEROP in inner:
        inner[_INTEROP] = exif.get_ifd(_INTEROP)
    return inner


def read_metadata(image: Image.Image, name: str) -> tuple[Metadata, int]:
    """The metadata of an opened file, and the EXIF orientation (1 to 8) that must be applied to its samples.

    A damaged EXIF block is left out with a warning.

    Args:
        name: what the warning calls the file.
    """
    block, orientation, exif_dpi = None, 1, None
    if image.format == "PNG":
        image.load()  # Pillow would load it to find EXIF behind the pixels, and errors of pixels would pass for errors of EXIF.
    try:
        exif = image.getexif()
        orientation = exif.get(_ORIENTATION, 1)
        if exif.get(296, 2) == 2:
            exif_dpi = _positive((exif.get(282), exif.get(283)))
        own = load_exif(exif.tobytes())  # A copy: Pillow uses the other when it loads the pixels.
        for tag in _LAYOUT & set(own):
            del own[tag]
        if len(own):
            own[_ORIENTATION] = 1
            block = own.tobytes()
    except Exception:  # Damaged bytes raise errors of many types.
        log.warning("%s: the EXIF block is damaged and left out", name)
    if orientation not in range(1, 9):
        orientation = 1
    has_resolution = image.format != "TIFF" or 282 in getattr(image, "tag_v2", {})  # Without one Pillow reports 1 dpi.
    dpi = (_positive(image.info.get("dpi")) if has_resolution else None) or exif_dpi
    if dpi is not None and orientation >= 5:
        dpi = dpi[::-1]
    png = image.format == "PNG"
    metadata = Metadata(
        exif=block,
        icc=image.info.get("icc_profile") or None,
        xmp=_xmp(image.info),
        dpi=dpi,
        text=_text(image.info) if png else (),
        png_colour=_png_colour(image.info) if png else (),
    )
    return metadata, orientation


def _positive(dpi: Any) -> tuple[float, float] | None:
    try:
        x, y = map(float, dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None


def _xmp(info: dict[Any, Any]) -> bytes | None:
    packet = info.get("xmp") or info.get(_XMP_IN_PNG) or None
    if packet is None:
        return None
    packet = packet.encode() if isinstance(packet, str) else bytes(packet)
    # XMP may repeat the orientation, and some viewers apply it.
    return re.sub(rb'(tiff:Orientation(?:="|>))[2-8]', rb"\g<1>1", packet)


def _text(info: dict[Any, Any]) -> tuple[tuple[str, str], ...]:
    ours = {_XMP_IN_PNG, "xmp", RECORD}
    items = [(key, value) for key, value in info.items() if isinstance(key, str) and isinstance(value, str)]
    return tuple((key, str(value)) for key, value in items if key not in ours and not key.startswith("Raw profile type"))


def _png_colour(info: dict[Any, Any]) -> tuple[tuple[bytes, bytes], ...]:
    chunks = []
    if "srgb" in info:
        chunks.append((b"sRGB", bytes([info["srgb"]])))
    if "gamma" in info:
        chunks.append((b"gAMA", struct.pack(">I", round(info["gamma"] * 100000))))
    if "chromaticity" in info:
        chunks.append((b"cHRM", struct.pack(">8I", *(round(value * 100000) for value in info["chromaticity"]))))
    return tuple(chunks)
