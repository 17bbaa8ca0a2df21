"""Kinds of files that are recognised and cannot be read, so that a valid file is not called damaged."""

from __future__ import annotations

_BRANDS = {  # Of ISO base media files, at byte 8.
    b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"heim": "HEIC", b"heis": "HEIC", b"mif1": "HEIF", b"msf1": "HEIF",
    b"avif": "AVIF", b"avis": "AVIF", b"crx ": "CR3 raw", b"qt  ": "QuickTime", b"isom": "MP4", b"mp42": "MP4",
}  # fmt: skip
_STARTS = {
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"II\xbc\x01": "JPEG XR",
    b"8BPS": "Photoshop",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"#?RGBE": "Radiance HDR",
    b"FUJIFILMCCD-RAW": "RAF raw",
    b"IIRO": "ORF raw",
    b"IIRS": "ORF raw",
    b"IIU\0": "RW2 raw",
    b"%PDF": "PDF",
    b"gimp xcf": "GIMP",
    b"SIMPLE  =": "FITS",
    b"DDS ": "DDS",
    b"qoif": "QOI",
    b"\0\0\1\0": "icon",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "BigTIFF",
    b"MM\0+": "BigTIFF",
    b"\x93NUMPY": "NumPy",
    b"PK\3\4": "zip",
}
_EXTRAS = {"HEIC": "heic", "HEIF": "heic", "JPEG XL": "jxl"}


def kind_of_file(data: bytes) -> str | None:
    """What a file is by its first bytes, in a word; None if it is nothing known."""
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12])
    if data.lstrip()[:4].lower() == b"<svg" or (data.lstrip()[:5] == b"<?xml" and b"<svg" in data[:1000]):
        return "SVG"
    if len(data) > 2 and data[:1] == b"P" and data[1:2] in b"123456" and data[2:3] in b" \t\r\n#":
        return "PNM"
    return next((kind for start, kind in _STARTS.items() if data.startswith(start)), None)


def said_of(data: bytes) -> str:
    """Why a file that no reader takes was refused, and what helps."""
    kind = kind_of_file(data)
    if kind in _EXTRAS:
        return f"this is a {kind} picture; pip install 'diffusion-restore[{_EXTRAS[kind]}]' reads it, or convert it to PNG"
    if kind in ("BMP", "TIFF", "BigTIFF", "JPEG 2000", "AVIF"):
        return f"this kind of {kind} is not supported, or the file is damaged at its start; save it as PNG"
    if kind is not None:
        return f"{kind} is not supported; convert it to PNG or TIFF"
    return (
        "not a picture of a known format (PNG, JPEG, TIFF, WebP, BMP, GIF, AVIF, JPEG 2000), or damaged at its start; check it"
    )
