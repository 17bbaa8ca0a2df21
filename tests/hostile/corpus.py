"""Picture files of many kinds, made here, and seeded damage to them."""

from collections.abc import Iterator
from io import BytesIO

import interlaced
import numpy as np
import tiffs
from PIL import Image, ImageCms
from profiles import PRIMARIES, profile
from test_damaged_files import encoded, smooth

SUFFIXES = {"PNG": "png", "JPEG": "jpg", "TIFF": "tif", "WEBP": "webp", "BMP": "bmp", "GIF": "gif", "AVIF": "avif"}

Case = tuple[str, bytes, np.ndarray | None]
"""A file's name, its bytes, and the samples (H, W, 1) or (H, W, 3) that it holds; None where the format loses some."""


def whole() -> Iterator[Case]:
    """Files without damage."""
    yield from interlaced.files()
    yield from tiffs.files()
    yield from lossless()
    yield from lossy()


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
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    yield "profile ü 图.png", encoded(colour, "PNG", icc_profile=srgb), colour
    for name in PRIMARIES:  # The numbers stay those of the file.
        for form in ("PNG", "TIFF"):
            yield f"{name}.{SUFFIXES[form]}", encoded(colour, form, icc_profile=profile(name, 1.8)), colour


def lossy() -> Iterator[Case]:
    colour = smooth(32, 40)
    kinds = {
        "plain": {},
        "progressive": {"progressive": True},
        "full": {"subsampling": 0},
        "restarts": {"restart_marker_rows": 1},
    }
    for name, options in kinds.items():
        for mode in ("RGB", "L", "CMYK"):
            file = BytesIO()
            Image.fromarray(colour).convert(mode).save(file, "JPEG", **options)
            yield f"{mode}-{name}.jpg", file.getvalue(), None
    yield "wide.jpg", encoded(colour, "JPEG", icc_profile=profile("p3", 2.2)), None
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
