"""The toolkit's own operators by name. Listing them does not load torch.

Each is a factory `(shape, ...) -> Operator` for pictures of shape (C, H, W); its first line of documentation is the help of
`restore ops`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from restore.errors import OperatorError

if TYPE_CHECKING:
    from restore.operators import Operator

Shape = tuple[int, int, int]


class Factory:
    """A factory whose operators change the shape of pictures.

    Args:
        make: (shape, ...) -> operator.
        input_shape: (shape, ...) -> the shape of pictures of which such an operator makes `shape`.
    """

    def __init__(self, make: Callable[..., Operator], input_shape: Callable[..., Shape]) -> None:
        self.make, self.input_shape = make, input_shape
        self.__doc__ = make.__doc__
        self.__wrapped__ = make  # For inspect.signature.

    def __call__(self, shape: Shape, **arguments: Any) -> Operator:
        return self.make(shape, **arguments)


def identity(shape: Shape) -> Operator:
    """Nothing; for noise or a JPEG alone."""
    from restore.operators import Identity

    return Identity()


def gray(shape: Shape) -> Operator:
    """The luma of Rec. 601, in one channel."""
    from restore.operators import Gray

    if shape[0] != 3:
        raise OperatorError(f"takes pictures of 3 channels, not {shape[0]}")
    return Gray()


def mask(shape: Shape, file: str) -> Operator:
    """Pixels that a mask file marks white are lost."""
    from restore.images import read_mask
    from restore.operators import Mask

    return Mask(~read_mask(file, shape[1:]))


def missing(shape: Shape, share: float, seed: int = 0) -> Operator:
    """A share of the pixels, drawn at random, is lost."""
    import torch

    from restore.operators import Mask

    if not (isinstance(share, int | float) and 0 < share < 1):
        raise OperatorError(f"share lies between 0 and 1, got {share}")
    drawn = torch.rand(1, 1, *shape[1:], generator=torch.Generator().manual_seed(_whole("seed", seed)))
    return Mask(drawn >= share)


def downsample(shape: Shape, scale: float, kernel: str = "bicubic") -> Operator:
    """Smaller by `scale`; kernels: bicubic, box, lanczos, gaussian:WIDTH."""
    from restore.operators import Downsample

    if not (isinstance(scale, int | float) and scale >= 1):
        raise OperatorError(f"scale is a number of at least 1, got {scale}")
    small = max(1, round(shape[1] / scale)), max(1, round(shape[2] / scale))
    return Downsample.between(shape[1:], small, kernel)


def _enlarged(shape: Shape, scale: float, kernel: str = "bicubic") -> Shape:
    if not (isinstance(scale, int | float) and scale >= 1):
        raise OperatorError(f"scale is a number of at least 1, got {scale}")
    return shape[0], round(shape[1] * scale), round(shape[2] * scale)


def blur(shape: Shape, sigma: float) -> Operator:
    """A Gaussian blur of standard deviation `sigma` in pixels."""
    return _blurred(shape, "gaussian", sigma)


def motion(shape: Shape, length: float, angle: float = 0.0) -> Operator:
    """A straight motion of `length` pixels; `angle` in degrees, counter-clockwise."""
    return _blurred(shape, "motion", length, angle)


def defocus(shape: Shape, radius: float) -> Operator:
    """A lens out of focus: an even disk, `radius` in pixels."""
    return _blurred(shape, "defocus", radius)


def _blurred(shape: Shape, kind: str, *numbers: object) -> Operator:
    from restore.operators import OpenBlur, kernels

    for number in numbers:
        if not isinstance(number, int | float):
            raise OperatorError(f"takes numbers, got {number!r}")
    return OpenBlur(getattr(kernels, kind)(*numbers), shape[1:])


def clip(shape: Shape, low: float = 0.0, high: float = 255.0) -> Operator:
    """Values below `low` and above `high` grey levels (0-255) are cut off."""
    from restore.operators import Clip

    return Clip(low / 127.5 - 1, high / 127.5 - 1)


def jpeg(shape: Shape, quality: int) -> Operator:
    """A JPEG of this quality, 1 to 100, chroma at half size."""
    from restore.degradation.compress import check_quality
    from restore.operators import JPEG

    check_quality(quality)
    return JPEG(quality)


def _whole(name: str, value: object) -> int:
    if not isinstance(value, int):
        raise OperatorError(f"{name} is a whole number, got {value!r}")
    return value


BUILT_IN: Mapping[str, Callable[..., Operator]] = {
    "blur": blur,
    "clip": clip,
    "defocus": defocus,
    "downsample": Factory(downsample, _enlarged),
    "gray": Factory(gray, lambda shape: (3, *shape[1:])),
    "identity": identity,
    "jpeg": jpeg,
    "mask": mask,
    "missing": missing,
    "motion": motion,
}
