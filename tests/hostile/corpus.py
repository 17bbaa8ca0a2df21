"""Picture files of many kinds, made here, and seeded damage to them."""

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms
from test_damaged_files import encoded, png, smooth

SUFFIXES = {"PNG": "png", "JPEG": "jpg", "TIFF": "tif", "WEBP": "webp", "BMP": "bmp", "GIF": "gif", "AVIF": "avif"}
PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}

Case = tuple[str, bytes, np.ndarray | None]
"""A file's name, its bytes, and the samples (H, W, 1) or (H, W, 3) that it holds; None where the format loses some."""


def whole() -> Iterator[Case]:
    """Files without damage."""
    yield from pngs()
    yield from lossless()
    yield from lossy()


def pngs(height: int = 9, width: int = 13) -> Iterator[Case]:
    """Every colour type and depth of PNG (W3C, "Portable Network Graphics", table 11.1)."""
    rng = np.random.default_rng(0)
    for colour, depths in PNG_DEPTHS.items():
        for bits in depths:
            channels = PNG_CHANNELS[colour]
            values = rng.integers(0, 2**bits, (height, width, channels))
            palette = rng.integers(0, 256, (2**bits, 3), dtype=np.uint8) if colour == 3 else None
            rows = b"".join(b"\0" + packed(row.ravel(), bits) for row in values)
            chunks = [] if palette is None else [(b"PLTE", palette.tobytes())]
            if palette is not None:
                samples = palette[values[..., 0]]
            else:
                most = 2**bits - 1
                samples = values if bits >= 8 else values * 255 // most
                samples = samples[..., : 1 if channels < 3 else 3]
            # Below transparent samples the reader fills colours in, so these compare nothing.
            expected = None if colour in (4, 6) else samples.astype(np.uint16 if bits == 16 else np.uint8)
            yield f"type{colour}-{bits}.png", png(width, height, bits, colour, rows, *chunks), expected


def packed(samples: np.ndarray, bits: int) -> bytes:
    """One row of samples, the highest bits first, filled up to whole bytes."""
    if bits == 16:
        return samples.astype(">u2").tobytes()
    parts = (samples[:, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(parts.ravel().astype(np.uint8)).tobytes()


def lossless() -> Iterator[Case]:
    colour, gray = smooth(32, 40), smooth(32, 40, 1)
    for form, options in (("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True})):
        yield f"colour.{SUFFIXES[form]}", encoded(colour, form, **options), colour
    for form in ("PNG", "BMP", "TIFF"):
        yield f"gray.{SUFFIXES[form]}", encoded(gray[..., 0], form), gray
    for method in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield f"{method}.tif", encoded(colour, "TIFF", compression=method), colour
    for height, width in ((1, 1), (1, 50), (50, 1), (3, 20000)):
        array = smooth(height, width)
        yield f"{width}x{height}.png", encoded(array, "PNG"), array
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    yield "profile ü 图.png", encoded(colour, "PNG", icc_profile=profile), colour


def lossy() -> Iterator[Case]:
    colour = smooth(32, 40)
    for name, options in (("plain", {}), ("progressive", {"progressive": True}), ("full", {"subsampling": 0})):
        yield f"{name}.jpg", encoded(colour, "JPEG", **options), None
    yield "gray.jpg", encoded(colour[..., 0], "JPEG"), None
    file = BytesIO()
    Image.fromarray(colour).convert("CMYK").save(file, "JPEG")
    yield "cmyk.jpg", file.getvalue(), None
    for orientation in (*range(10), 255, 65535):  # 1 to 8 have a meaning.
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"orientation{orientation}.jpg", encoded(colour, "JPEG", exif=exif), None
    for form in ("WEBP", "GIF", "AVIF"):
        yield f"lossy.{SUFFIXES[form]}", encoded(colour, form), None
    for chosen in (0, 3):
        file = BytesIO()
        Image.fromarray(colour).quantize(16).save(file, "PNG", transparency=chosen)
        yield f"key{chosen}.png", file.getvalue(), None


def damaged(data: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`count` damaged copies, each with what was done: cut short, one bit flipped (half of them early), bytes overwritten."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        bad, kind = bytearray(data), number % 4
        if kind == 0:
            at = int(rng.integers(len(data)))
            yield f"cut at {at}", data[:at]
            continue
        at = int(rng.integers(min(len(data), 200) if kind == 1 else len(data)))
        if kind == 3:
            bad[at : at + 8] = rng.bytes(len(bad[at : at + 8]))
        else:
            bad[at] ^= 1 << int(rng.integers(8))
        yield f"{('bit flipped', 'bit flipped', 'overwritten')[kind - 1]} at {at}", bytes(bad)
