"""One line for one picture, with the bundled prior."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from restore.restorer import Restorer


@lru_cache(maxsize=1)
def _photo() -> Restorer:
    return Restorer.from_pretrained("photo")


def inpaint(image: Any, mask: Any, **keywords: Any) -> Any:
    """The picture with what the mask marks (white) filled; the same kind of thing as `image`. See `Restorer.stream`."""
    return _photo()("inpaint", image, mask=mask, **keywords).image


def super_resolution(image: Any, scale: int = 4, **keywords: Any) -> Any:
    """The picture `scale` times wider and higher; the same kind of thing as `image`. See `Restorer.stream`."""
    return _photo()("super-resolution", image, scale=scale, **keywords).image


def denoise(image: Any, sigma: float | None = None, **keywords: Any) -> Any:
    """The picture without noise of `sigma` grey levels (0-255; estimated if None); the same kind of thing as `image`."""
    return _photo()("denoise", image, sigma=sigma, **keywords).image


def colorize(image: Any, hints: Any = None, **keywords: Any) -> Any:
    """The picture in colour, led by hints (a picture, transparent where nothing is painted)."""
    return _photo()("colorize", image, hints=hints, **keywords).image
