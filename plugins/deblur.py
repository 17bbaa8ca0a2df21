"""The task `deblur`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from restore.errors import OperatorError, PictureError, UsageError
from restore.plugins.manager import hookimpl
from restore.task import Task

if TYPE_CHECKING:
    from torch import Tensor

    from restore.guidance.guidance import Guidance
    from restore.images import Picture
    from restore.problem import Problem

LEAST = 0.5 / 127.5  # Deviation of the noise that is assumed at least: files are rounded, and a kernel is never exact.
BEYOND = 0.5  # Standard deviation of what lies beyond the border about its continuation, in [-1, 1] units.
SHAPES = {"gaussian": 1, "motion": 2, "defocus": 1}  # Numbers that each takes.
FORMS = "gaussian:DEVIATION, motion:LENGTH,ANGLE, defocus:RADIUS, a file"


@dataclass(frozen=True)
class DeblurOptions:
    kernel: str = field(
        default="",
        metadata={
            "required": True,
            "help": "what blurred the picture: gaussian:DEVIATION, motion:LENGTH,ANGLE (degrees, counter-clockwise) or "
            "defocus:RADIUS, in pixels; or a file, .npy or a picture of how a point of light looks",
        },
    )
    sigma: float | Literal["auto"] = field(
        default="auto", metadata={"min": 0, "help": "noise of the picture, in grey levels (0-255); auto: estimated"}
    )


class Deblur(Task):
    """y = k * x + noise, with one kernel k for the whole picture. What lies beyond the border is not known; see `OpenBlur`.

    With several kernels in one picture, as where only the background is out of focus, the wrong one leaves rings or does
    nothing.
    """

    name = "deblur"
    help = "Sharpen a picture that is out of focus or shaken."
    Options = DeblurOptions

    def problem(self, picture: Picture, options: DeblurOptions) -> Problem:
        from restore.noise.measure import noise_of
        from restore.operators import OpenBlur
        from restore.problem import Problem

        pixels = picture.pixels
        kernel = _kernel(options.kernel)
        if any(side > whole for side, whole in zip(kernel.shape, picture.size, strict=True)):
            sizes = [f"{shape[1]}x{shape[0]}" for shape in (kernel.shape, picture.size)]
            raise PictureError(f"the blur kernel has {sizes[0]} pixels, more than the picture, {sizes[1]}")
        # Of a model its level alone is used: conjugate gradients within conjugate gradients would take too long.
        level, _ = noise_of(pixels, options.sigma)
        sigma_y = max(LEAST, level)
        operator = OpenBlur(kernel, picture.size, doubt=BEYOND / sigma_y)
        # Rows of the system count by their weights, those of y, too.
        y = operator.weights.to(pixels) * pixels
        return Problem(y=y, operator=operator, sigma_y=sigma_y, shape=tuple(pixels.shape))

    def guidance(self, problem: Problem, options: DeblurOptions) -> Guidance:
        from restore.guidance.pnp import PnP

        return PnP(most=12)


def _kernel(spec: str) -> Tensor:
    """The kernel of a text, (h, w) of sum 1.

    Raises: UsageError for a text that is none of the forms; PictureError for a file that cannot be read or has no light.
    """
    from restore.operators import kernels

    shape, _, rest = spec.partition(":")
    if shape in SHAPES:
        try:
            numbers = [float(number) for number in rest.split(",")]
            if len(numbers) != SHAPES[shape]:
                raise ValueError
        except ValueError:
            raise UsageError(f"--kernel takes {FORMS}; got {spec!r}") from None
        try:
            made: Tensor = getattr(kernels, shape)(*numbers)
        except OperatorError as error:
            raise UsageError(f"--kernel {spec}: {error}") from None
        return made
    path = Path(spec)
    if not path.exists():
        raise UsageError(f"--kernel: {spec!r} is no file, and none of {FORMS}")
    return _read_kernel(path)


def _read_kernel(path: Path) -> Tensor:
    import numpy as np
    import torch

    from restore import images

    if path.suffix.lower() == ".npy":
        try:
            values = torch.from_numpy(np.load(path, allow_pickle=False).astype(np.float64))
        except (ValueError, TypeError, OSError) as error:
            raise PictureError(f"{path}: not an array of numbers ({error})") from None
    else:
        values = (images.read(path).pixels[0].double().mean(dim=0) + 1) / 2
    if values.ndim != 2 or not bool(values.isfinite().all()) or bool((values < 0).any()) or not float(values.sum()) > 0:
        raise PictureError(f"{path}: a blur kernel is a table (height, width) of numbers of 0 or more, and not all 0")
    return values / values.sum()


@hookimpl
def restore_tasks() -> list[Task]:
    return [Deblur()]
