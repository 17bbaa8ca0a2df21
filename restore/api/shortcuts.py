"""One function per task, with the bundled prior, and one that looks first.

Each returns the type of its picture: a tensor, also a batch (B, C, H, W) in [0, 1], an array, or a PIL image, which is also
what a path gives.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from typing_extensions import Unpack

from restore.api.restorer import Restorer
from restore.options import keywords

if TYPE_CHECKING:
    from PIL import Image

    from restore.diagnosis import Diagnosis

Given = TypeVar("Given")


@overload
def inpaint(image: str | Path, mask: Any, **options: Unpack[keywords.Inpaint]) -> Image.Image: ...
@overload
def inpaint(image: Given, mask: Any, **options: Unpack[keywords.Inpaint]) -> Given: ...
def inpaint(image: Any, mask: Any, **options: Any) -> Any:
    """Fill the area that the mask marks white.

    Args:
        image: any picture that `Restorer.stream` takes.
        mask: a picture of the same size, or "auto", which looks for scratches and dust.
        options: of the task (`restore schema inpaint`) and of `Restorer.stream`.

    Raises: as `Restorer.stream`.
    """
    return _restored("inpaint", image, {"mask": mask, **options})


@overload
def super_resolution(
    image: str | Path, scale: float | None = ..., **options: Unpack[keywords.SuperResolution]
) -> Image.Image: ...
@overload
def super_resolution(image: Given, scale: float | None = ..., **options: Unpack[keywords.SuperResolution]) -> Given: ...
def super_resolution(image: Any, scale: float | None = None, **options: Any) -> Any:
    """Make the picture `scale` times wider and higher, 4 if no size is given; otherwise as `inpaint`."""
    return _restored("super-resolution", image, {"scale": scale, **options})


@overload
def denoise(image: str | Path, sigma: float | Literal["auto"] = ..., **options: Unpack[keywords.Denoise]) -> Image.Image: ...
@overload
def denoise(image: Given, sigma: float | Literal["auto"] = ..., **options: Unpack[keywords.Denoise]) -> Given: ...
def denoise(image: Any, sigma: float | Literal["auto"] = "auto", **options: Any) -> Any:
    """Remove white noise of standard deviation `sigma` in grey levels (0-255), or noise of any kind, measured if "auto"."""
    return _restored("denoise", image, {"sigma": sigma, **options})


@overload
def colorize(image: str | Path, hints: Any = ..., **options: Unpack[keywords.Colorize]) -> Image.Image: ...
@overload
def colorize(image: Given, hints: Any = ..., **options: Unpack[keywords.Colorize]) -> Given: ...
def colorize(image: Any, hints: Any = None, **options: Any) -> Any:
    """Colour a gray picture by hints, a picture that is transparent where nothing is painted."""
    return _restored("colorize", image, {"hints": hints, **options})


@overload
def jpeg(image: str | Path, **options: Unpack[keywords.Jpeg]) -> Image.Image: ...
@overload
def jpeg(image: Given, **options: Unpack[keywords.Jpeg]) -> Given: ...
def jpeg(image: Any, **options: Any) -> Any:
    """Take out what JPEG compression did."""
    return _restored("jpeg", image, options)


@overload
def deblur(image: str | Path, kernel: str = ..., **options: Unpack[keywords.Deblur]) -> Image.Image: ...
@overload
def deblur(image: Given, kernel: str = ..., **options: Unpack[keywords.Deblur]) -> Given: ...
def deblur(image: Any, kernel: str = "auto", **options: Any) -> Any:
    """Take out blur of a known `kernel`, such as "gaussian:1.6", or of one that is estimated."""
    return _restored("deblur", image, {"kernel": kernel, **options})


@overload
def auto(image: str | Path, **options: Unpack[keywords.Auto]) -> Image.Image: ...
@overload
def auto(image: Given, **options: Unpack[keywords.Auto]) -> Given: ...
def auto(image: Any, **options: Any) -> Any:
    """Diagnose a picture, and take out in one solve what is wrong with it."""
    return _restored("auto", image, options)


def diagnose(image: Any) -> Diagnosis:
    """What is wrong with a picture of any kind that `Restorer.stream` takes; nothing is restored."""
    from restore.diagnosis import diagnose as examined
    from restore.images import as_picture

    return examined(as_picture(image))


@lru_cache(maxsize=1)
def _photo() -> Restorer:
    return Restorer.from_pretrained("photo")


def _restored(task: str, image: Any, options: dict[str, Any]) -> Any:
    import torch

    if isinstance(image, torch.Tensor) and image.ndim == 4 and len(image) > 1:
        return torch.cat([found.image for found in _photo().map(task, image[:, None], **options)])
    return _photo()(task, image, **options).image
