"""One function per task, with the bundled prior, and one that looks first."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from restore.restorer import Restorer

if TYPE_CHECKING:
    from restore.diagnosis import Diagnosis


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


def jpeg(image: Any, **keywords: Any) -> Any:
    """Take out what JPEG compression did. Returns the type of `image`; arguments and errors as for `Restorer.stream`."""
    return _photo()("jpeg", image, **keywords).image


def deblur(image: Any, kernel: Any = "auto", **keywords: Any) -> Any:
    """Take out blur of a known `kernel`, such as "gaussian:1.6", or of one that is estimated; otherwise as `jpeg`."""
    return _photo()("deblur", image, kernel=kernel, **keywords).image


def auto(image: Any, **keywords: Any) -> Any:
    """Diagnose a picture, and take out in one solve what is wrong with it; otherwise as `jpeg`."""
    return _photo()("auto", image, **keywords).image


def diagnose(image: Any) -> Diagnosis:
    """What is wrong with a picture of any kind that `Restorer.stream` takes; nothing is restored."""
    from restore.diagnosis import diagnose as examined
    from restore.images import as_picture

    return examined(as_picture(image))
