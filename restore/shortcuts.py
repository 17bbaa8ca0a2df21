"""One function per task, with the bundled prior."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

from restore.restorer import Restorer


@lru_cache(maxsize=1)
def _photo() -> Restorer:
    return Restorer.from_pretrained("photo")


def inpaint(image: Any, mask: Any, **keywords: Any) -> Any:
    """Fill the area that the mask marks white. Returns the type of `image`; arguments and errors as for `Restorer.stream`."""
    return _photo()("inpaint", image, mask=mask, **keywords).image


def super_resolution(image: Any, scale: float | None = None, **keywords: Any) -> Any:
    """Make the picture `scale` times wider and higher, 4 if no size is given; otherwise as `inpaint`."""
    return _photo()("super-resolution", image, scale=scale, **keywords).image


def denoise(image: Any, sigma: float | Literal["auto"] = "auto", **keywords: Any) -> Any:
    """Remove white noise of standard deviation `sigma` in grey levels (0-255), or noise of any kind, measured if "auto"."""
    return _photo()("denoise", image, sigma=sigma, **keywords).image


def colorize(image: Any, hints: Any = None, **keywords: Any) -> Any:
    """Colour a gray picture by hints, a picture that is transparent where nothing is painted. Returns the type of `image`."""
    return _photo()("colorize", image, hints=hints, **keywords).image
