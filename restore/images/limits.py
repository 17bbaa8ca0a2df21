"""Limits on the size of picture files, checked in their headers before they are decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from restore.errors import OutOfMemoryError, PictureError
from restore.wording import called

MAX_PIXELS = 100_000_000
"""The default limit, in pixels: a file of some kilobytes can declare any size, and fill the memory."""


@dataclass(frozen=True)
class Limits:
    """What a picture may take.

    Attributes:
        pixels: of the picture, of all its frames together.
        size: bytes of memory for reading it; None for any.
    """

    pixels: int = MAX_PIXELS
    size: int | None = None

    def check(self, name: str, width: int, height: int, *, channels: int, depth: int) -> None:
        """Raises PictureError for more pixels than allowed, OutOfMemoryError for more memory.

        Args:
            name: what the message calls the file.
            depth: bits per sample.
        """
        megapixels = f"{width}x{height} is {width * height / 1e6:.3g} megapixels"
        if width * height > self.pixels:
            raise PictureError(
                f"{name}: {megapixels}, more than the {self.pixels / 1e6:.4g} allowed; {called('max_pixels')} allows more"
            )
        # The library's samples, a copy of them, and float32 pixels.
        needed = width * height * channels * (2 * depth // 8 + 4)
        if self.size is not None and needed > self.size:
            raise OutOfMemoryError(
                f"{name}: {megapixels}, and reading it takes {needed / 1e6:.0f} MB, more than {called('max_memory')} leaves; "
                "allow more, or cut the picture"
            )


_DEFAULT = Limits()
_limits: ContextVar[Limits] = ContextVar("limits", default=_DEFAULT)


def current() -> Limits:
    """The limits that hold here."""
    return _limits.get()


@contextmanager
def limited(pixels: int | None = None, size: int | None = None) -> Iterator[None]:
    """Inside, everything that is read (pictures, masks, hints) is bound by these limits.

    Args:
        pixels: of one picture; by default `MAX_PIXELS`.
        size: bytes of memory for one picture; None for any.
    """
    token = _limits.set(Limits(MAX_PIXELS if pixels is None else pixels, size))
    try:
        yield
    finally:
        _limits.reset(token)
