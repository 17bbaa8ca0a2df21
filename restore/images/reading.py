"""From a file to a `Picture`."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageFile, JpegImagePlugin, UnidentifiedImageError

from restore.errors import PictureError
from restore.images import metadata as meta
from restore.images.picture import Jpeg, Kind, Picture
from restore.images.quiet import no_stderr, quiet
from restore.images.samples import Samples, continued, to_pixels, upright, visible

LARGEST = 400_000_000
"""The most pixels a picture may have; beyond it a small file can fill the memory."""

# GIF is opened only to say what is wrong with it.
_FORMATS = ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"]
_KINDS: dict[str, Kind] = {
    "1": "bilevel",
    "L": "gray",
    "LA": "gray",
    "RGB": "colour",
    "RGBA": "colour",
    "P": "palette",
    "CMYK": "cmyk",
}
_CONVERTED = {"PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB"}


def read(path: Path) -> Picture:
    """The picture in a PNG, JPEG, TIFF, WebP or BMP file, upright: EXIF orientation is applied and reset.

    The content decides the format, not the suffix. Samples have 8 or 16 bits; a colour key (PNG) becomes alpha; of a phone's
    JPEG with several pictures the first is taken. Profiles are carried, not applied; the core sees CMYK through the plain
    conversion to RGB. Raises `PictureError` for what cannot be read: missing, empty, cut short, not a picture, animated or of
    several pages, more than `LARGEST` pixels, samples of a kind not handled.
    """
    path = Path(path)
    data = _bytes(path)
    with explained(str(path)):
        image = Image.open(BytesIO(data), formats=_FORMATS)
        _refuse_unusable(path, image)
        packing = _packing(image)  # first: the file object forgets it once anything is loaded
        metadata, orientation = meta.take(image, str(path))
        with no_stderr():
            image.load()  # names what is wrong with a damaged file, which OpenCV does not
        deep = image.format in ("PNG", "TIFF") and ";16" in packing
        if image.format == "TIFF":
            orientation = 1  # both libraries turn these on their own
        if deep:
            kind, raw, alpha = _deep(path, data, image, packing)
            palette = None
        else:
            kind, raw, alpha, palette = shallow(str(path), image)
        raw, alpha = upright(raw, orientation), None if alpha is None else upright(alpha, orientation)
        metadata = metadata.for_size(*raw.shape[:2])
        return assembled(kind, raw, alpha, palette=palette, metadata=metadata, jpeg=_jpeg(image))


def assembled(
    kind: Kind,
    raw: Samples,
    alpha: Samples | None = None,
    *,
    palette: Samples | None = None,
    metadata: meta.Metadata | None = None,
    jpeg: Jpeg | None = None,
) -> Picture:
    """A `Picture` of upright samples of its own, which become read-only."""
    for array in (raw, alpha, palette):
        if array is not None:
            array.setflags(write=False)
    samples = visible(kind, raw, palette)
    if alpha is not None and not alpha.all():
        samples = continued(samples, alpha > 0)
    return Picture(
        pixels=to_pixels(samples),
        kind=kind,
        depth=raw.dtype.itemsize * 8,
        alpha=alpha,
        metadata=metadata or meta.Metadata(),
        raw=raw,
        palette=palette,
        jpeg=jpeg,
    )


def read_record(path: Path) -> str | None:
    """The record `write` left in a PNG; None if there is none or the file is no PNG. `PictureError` if it cannot be opened."""
    data = _bytes(Path(path))
    try:
        with quiet():
            record = Image.open(BytesIO(data), formats=["PNG"]).info.get(meta.RECORD)
    except Exception:  # Pillow raises whatever the bytes provoke
        return None
    return str(record) if isinstance(record, str) else None


def _bytes(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise PictureError(f"{path}: a folder where a picture file is expected; name a file in it")
        if not stat.S_ISREG(mode):  # a pipe would be waited for
            raise PictureError(f"{path}: not an ordinary file; name a picture file")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise PictureError(f"{path}: no such file; check the name") from error
    except OSError as error:
        raise PictureError(f"{path}: cannot be opened ({error.strerror}); check its name and permissions") from error
    if not data:
        raise PictureError(f"{path}: the file is empty; get it again")
    return data


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Silence the libraries, and turn whatever they raise about a bad file into one line about it."""
    try:
        with quiet():
            yield
    except (PictureError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise PictureError(
            f"{name}: not a PNG, JPEG, TIFF, WebP or BMP picture, or damaged at its start; convert it to PNG"
        ) from error
    except Exception as error:  # Pillow and OpenCV raise whatever the bytes provoke
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"{name}: the file is damaged or cut short ({reason}); get it again") from error


def _refuse_unusable(path: Path, image: Image.Image) -> None:
    width, height = image.size
    if width * height > LARGEST:
        size = f"{width}x{height} is {width * height / 1e6:.0f} megapixels"
        raise PictureError(f"{path}: {size}, more than the {LARGEST / 1e6:.0f} allowed; cut it into parts")
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if frames > 1:
        what, unit = ("has several pages", "pages") if image.format == "TIFF" else ("is animated", "frames")
        raise PictureError(f"{path}: the picture {what} ({frames} {unit}); save the one to restore as a file of its own")
    if image.format == "GIF":
        raise PictureError(f"{path}: GIF is not handled; convert it to PNG")


def _packing(image: ImageFile.ImageFile) -> str:
    """How Pillow will unpack the file's samples, as "RGB;16B": the only place where it tells 16 bits from 8."""
    if not image.tile:
        return image.mode
    arguments: Any = image.tile[0][3]
    return str(arguments if isinstance(arguments, str) else arguments[0] if arguments else image.mode)


def _deep(path: Path, data: bytes, image: Image.Image, packing: str) -> tuple[Kind, Samples, Samples | None]:
    """16-bit samples: kind, colour or gray, alpha."""
    if not re.fullmatch(r"(I|LA|RGB|RGBA|RGBX);16[BLN]?", packing):
        raise PictureError(f"{path}: 16-bit samples of kind {packing} are not handled; save it as plain 16-bit RGB or gray")
    with no_stderr():
        samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype != np.uint16 or sorted(samples.shape[:2]) != sorted(image.size):
        raise PictureError(f"{path}: the 16-bit samples cannot be read; save it as 16-bit PNG")
    alpha = samples[..., 3] if samples.ndim == 3 and samples.shape[2] == 4 and not packing.startswith("RGBX") else None
    if not packing.startswith(("I", "LA")):
        return "colour", samples[..., 2::-1], alpha
    gray = samples if samples.ndim == 2 else samples[..., 0]
    if getattr(image, "tag_v2", {}).get(262) == 0:  # TIFF gray with 0 for white: both libraries hand it over as it lies
        gray = 65535 - gray
    if packing.startswith("I") and isinstance(image.info.get("transparency"), int):
        alpha = np.where(gray == image.info["transparency"], 0, 65535).astype(np.uint16)
    return "gray", gray, alpha


def shallow(name: str, image: Image.Image) -> tuple[Kind, Samples, Samples | None, Samples | None]:
    """Samples of up to 8 bits: kind, raw samples, alpha, palette."""
    if image.mode in _CONVERTED:
        image = image.convert(_CONVERTED[image.mode])
    elif image.mode in ("1", "L", "RGB") and "transparency" in image.info:
        image = image.convert("RGBA" if image.mode == "RGB" else "LA")
    if image.mode not in _KINDS:
        raise PictureError(f"{name}: samples of kind {image.mode} are not handled; save it as 8- or 16-bit gray or RGB")
    kind = _KINDS[image.mode]
    samples = np.asarray(image)
    if kind == "palette":
        palette, has_alpha = _palette(image, int(samples.max()))
        return kind, samples, palette[samples][..., 3] if has_alpha else None, palette
    if image.mode in ("LA", "RGBA"):
        colour = samples[..., 0] if kind == "gray" else samples[..., :3]
        return kind, colour, samples[..., -1], None
    return kind, samples.astype(np.uint8), None, None


def _palette(image: Image.Image, largest_index: int) -> tuple[Samples, bool]:
    """(N, 4) RGBA, long enough for every index, and whether the file speaks of transparency."""
    colours = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    palette = np.zeros((max(len(colours), largest_index + 1), 4), np.uint8)
    palette[:, 3] = 255
    palette[: len(colours), :3] = colours
    transparency = image.info.get("transparency")
    if isinstance(transparency, int):
        palette[transparency : transparency + 1, 3] = 0
    elif transparency is not None:
        alphas = np.frombuffer(transparency, np.uint8)[: len(palette)]
        palette[: len(alphas), 3] = alphas
    return palette, transparency is not None


def _jpeg(image: Image.Image) -> Jpeg | None:
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return None
    tables = tuple(tuple(table) for _, table in sorted(image.quantization.items()))
    return tables, JpegImagePlugin.get_sampling(image)
