"""Files with several frames (animated GIF, WebP, PNG, AVIF) or pages (TIFF): how many there are, and writing them again."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from restore.errors import PictureError
from restore.images import tiff
from restore.images.avif import undated
from restore.images.encode import pillow_options
from restore.images.formats import SUFFIXES, readable, register
from restore.images.limits import current
from restore.images.metadata import Metadata
from restore.images.picture import Picture
from restore.images.reading import as_picture_errors
from restore.images.samples import pillow_image
from restore.images.silence import silent_libraries
from restore.images.writing import check_format, tiff_page, to_8_bits, write_bytes
from restore.wording import called

log = logging.getLogger(__name__)
FORMATS = ("GIF", "WEBP", "PNG", "AVIF", "TIFF")
"""Formats that are written with several frames or pages."""


def count(data: bytes, name: str) -> int:
    """The number of frames or pages of a file's bytes; 1 for a multi-picture JPEG, of which the first is read.

    Args:
        name: what messages call the file.

    Raises: PictureError for a damaged file, and if all frames together have more pixels than allowed (see `limited`).
    """
    with as_picture_errors(name, data):
        register()
        with Image.open(BytesIO(data), formats=readable()) as image:
            found = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
            width, height = image.size
    if found > 1 and found * width * height > current().pixels:
        raise PictureError(
            f"{name}: {found} frames of {width}x{height} are {found * width * height / 1e6:.0f} megapixels, more than the "
            f"{current().pixels / 1e6:.4g} allowed; {called('max_pixels')} allows more"
        )
    return found


@dataclass(frozen=True)
class Timing:
    """How an animation plays.

    Attributes:
        durations: of each frame, in milliseconds.
        loop: how often it plays, 0 for ever; None if the file does not say.
        default_image: the first frame is shown by programs without animation alone (PNG).
    """

    durations: tuple[float, ...]
    loop: int | None
    default_image: bool = False

    @classmethod
    def of(cls, data: bytes, name: str) -> Timing:
        """The timing of a file's bytes; every frame is decoded once. Raises PictureError for a damaged file."""
        durations = []
        with as_picture_errors(name, data), Image.open(BytesIO(data), formats=readable()) as image:
            for index in range(getattr(image, "n_frames", 1)):
                image.seek(index)
                current().check(name, *image.size, channels=len(image.getbands()), depth=8)
                image.load()  # Some formats say only then how long it lasts.
                durations.append(float(image.info.get("duration") or 0))
            return cls(tuple(durations), image.info.get("loop"), bool(getattr(image, "default_image", False)))


@dataclass(frozen=True)
class Frames:
    """A file with several frames in the making. What is added is kept as 8-bit samples, or compressed for TIFF.

    Attributes:
        path: of the file, whose suffix names one of `FORMATS`.
        data, name: the file that the frames come from, for its timing, and what messages call it.
        metadata: "keep" or "strip", as for `write`; an animation has those of its first frame, a page its own.
    """

    path: Path
    data: bytes = field(repr=False)
    name: str
    metadata: Literal["keep", "strip"] = "keep"
    _pages: list[tiff.Page] = field(default_factory=list, repr=False)
    _images: list[Image.Image] = field(default_factory=list, repr=False)
    _first: list[Metadata] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        """Raises PictureError for a format that holds no frames, and for pages as frames or frames as pages."""
        form, paged = SUFFIXES.get(self.path.suffix.lower()), self.data[:4] in (b"II*\0", b"MM\0*")
        if form not in FORMATS:
            raise PictureError(f"{self.path}: {self.path.suffix} holds one frame; name a .gif, .webp, .png, .avif or .tif")
        if paged != (form == "TIFF"):
            said = "pages go into a .tif" if paged else "frames go into a .gif, .webp, .png or .avif"
            raise PictureError(f"{self.path}: {said}; name one")

    def add(self, picture: Picture) -> None:
        """Add a frame. Raises PictureError if the format cannot hold it."""
        check_format(self.path, picture)
        kept = picture.metadata if self.metadata == "keep" else picture.metadata.stripped()
        if SUFFIXES[self.path.suffix.lower()] == "TIFF":
            self._pages.append(tiff_page(picture, kept))
            return
        samples, alpha = picture.samples(), picture.alpha
        if picture.depth == 16:
            if not self._images:
                log.warning("%s: 16-bit samples become 8-bit, since animations hold no more", self.path)
            samples, alpha = to_8_bits(samples), None if alpha is None else to_8_bits(alpha)
        mode = ("L" if samples.shape[2] == 1 else "RGB") + ("" if alpha is None else "A")
        self._images.append(pillow_image(mode, samples if alpha is None else np.dstack([samples, alpha])))
        self._first.append(kept)

    def to_bytes(self, record: str | None = None) -> bytes:
        """The bytes of the file. Raises PictureError if they cannot be made.

        Args:
            record: text to store in a PNG, as for `write`.
        """
        if self._pages:
            return tiff.join(self._pages)
        form = SUFFIXES[self.path.suffix.lower()]
        timing = Timing.of(self.data, self.name)
        modes = {image.mode for image in self._images}
        mode = "RGBA" if any(mode.endswith("A") for mode in modes) else "RGB"
        first, *others = [image if len(modes) == 1 else image.convert(mode) for image in self._images]
        options = pillow_options(form, self._first[0], record) | _playing(form, timing, first.mode.endswith("A"))
        register()
        file = BytesIO()
        try:
            with silent_libraries():
                first.save(file, form, save_all=True, append_images=others, **options)
        except Exception as error:  # Unusual metadata raises errors of many types in Pillow.
            reason = " ".join(str(error).split()) or type(error).__name__
            raise PictureError(f"{self.path}: cannot be written in this format ({reason}); strip the metadata") from error
        return undated(file.getvalue()) if form == "AVIF" else file.getvalue()

    def write(self, record: str | None = None, *, overwrite: bool = False) -> None:
        """Write the file, whole or not at all. Raises PictureError if it exists without `overwrite` or cannot be written."""
        write_bytes(self.path, self.to_bytes(record), overwrite=overwrite)


def _playing(form: str, timing: Timing, transparent: bool) -> dict[str, Any]:
    """The keywords of `Image.save` for the timing, and for frames that replace the one before with all of its alpha."""
    options: dict[str, Any] = {"duration": [round(duration) for duration in timing.durations]}
    if timing.loop is not None and form != "AVIF":
        options["loop"] = timing.loop
    if form == "WEBP" and not transparent:
        options["kmax"] = 1  # Whole frames. What changes alone is written with transparency, and RGB would become RGBA.
    if form == "GIF" and transparent:
        options["disposal"] = 2
    if form == "PNG":
        options |= {"blend": 0, "disposal": 0, "default_image": timing.default_image}
        if timing.default_image:
            options["duration"] = options["duration"][1:]
    return options
