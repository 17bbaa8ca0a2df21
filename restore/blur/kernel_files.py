"""Blur kernels as people give them: by name, or in a file."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from restore import images
from restore.errors import OperatorError, PictureError, UsageError
from restore.files import write_atomically
from restore.operators import kernels
from restore.wording import called

WIDEST = 100  # Pixels, of the numbers that say how large a kernel is.
LARGEST_PICTURE = 255  # Pixels a side of a kernel that is given as a picture; larger ones are photographs.
SHAPES = {"gaussian": 1, "motion": 2, "defocus": 1}  # Numbers that each takes.
FORMS = "auto, gaussian:DEVIATION, motion:LENGTH,ANGLE, defocus:RADIUS, a file"


def kernel_of(spec: str) -> Tensor:
    """The kernel of a text, (h, w) of sum 1.

    Raises: UsageError for a text that is none of the forms; PictureError for a file that cannot be read or has no light.
    """
    shape, _, rest = spec.partition(":")
    if shape in SHAPES:
        try:
            numbers = [float(number) for number in rest.split(",")]
            if len(numbers) != SHAPES[shape]:
                raise ValueError
        except ValueError:
            raise UsageError(f"{called('kernel')} takes {FORMS}; got {spec!r}") from None
        if max(numbers[:1], default=0) > WIDEST:
            raise UsageError(f"{called('kernel', spec)}: {numbers[0]:g} pixels are too many; give up to {WIDEST}")
        try:
            made: Tensor = getattr(kernels, shape)(*numbers)
        except OperatorError as error:
            raise UsageError(f"{called('kernel', spec)}: {error}") from None
        return made
    path = Path(spec)
    if not path.exists():
        raise UsageError(f"{called('kernel')}: {spec!r} is no file, and none of {FORMS}")
    return _read_kernel(path)


def _read_kernel(path: Path) -> Tensor:
    if path.suffix.lower() == ".npy":
        try:
            values = torch.from_numpy(np.load(path, allow_pickle=False).astype(np.float64))
        except (ValueError, TypeError, OSError) as error:
            raise PictureError(f"{path}: not an array of numbers ({error})") from None
    else:
        values = _values_of(path, images.read(path).pixels[0])
    if values.ndim != 2 or not bool(values.isfinite().all()) or bool((values < 0).any()) or not float(values.sum()) > 0:
        raise PictureError(f"{path}: a blur kernel is a table (height, width) of numbers of 0 or more, and not all 0")
    return values / values.sum()


def _values_of(path: Path, pixels: Tensor) -> Tensor:
    """A picture of a point of light as numbers (h, w) of 0 or more. Raises PictureError for what looks like a photograph."""
    sides = f"{pixels.shape[2]}x{pixels.shape[1]}"
    if bool((pixels != pixels[:1]).any()):
        raise PictureError(
            f"{path}: a picture in colour, {sides}; {called('kernel')} takes a gray one of how a point of light looks"
        )
    if max(pixels.shape[1:]) > LARGEST_PICTURE:
        raise PictureError(
            f"{path}: {sides} pixels are too many for a blur kernel; {called('kernel')} takes a picture of up to "
            f"{LARGEST_PICTURE} a side of how a point of light looks, or a .npy file"
        )
    return (pixels[0].double() + 1) / 2


def check_target(target: str | None) -> None:
    """Raises: UsageError for a kernel file that is there already, or of another kind."""
    if target is None:
        return
    if Path(target).suffix.lower() not in (".npy", ".png"):
        raise UsageError(f"{called('write_kernel')} takes a .npy or .png file, got {target!r}")
    if Path(target).exists():
        raise UsageError(
            f"{called('write_kernel')}: {target} exists already; each picture has a kernel of its own, so give it another name"
        )


def write_kernel(path: Path, kernel: Tensor) -> None:
    if path.suffix.lower() == ".npy":
        stream = io.BytesIO()
        np.save(stream, kernel.numpy())
        content = stream.getvalue()
    else:
        content = cv2.imencode(".png", (kernel / kernel.max() * 65535).round().numpy().astype(np.uint16))[1].tobytes()
    try:
        write_atomically(path, content)
    except OSError as error:
        raise PictureError(f"{called('write_kernel')}: {path} cannot be written ({error.strerror})") from None
