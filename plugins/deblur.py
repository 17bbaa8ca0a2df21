"""The task `deblur`."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from restore.errors import OperatorError, PictureError, UsageError
from restore.plugins.manager import hookimpl
from restore.task import Task

if TYPE_CHECKING:
    from torch import Tensor

    from restore.guidance.guidance import Guidance
    from restore.images import Picture
    from restore.operators import OpenBlur
    from restore.problem import Problem

logger = logging.getLogger("restore")

LEAST = 0.5 / 127.5  # Deviation of the noise that is assumed at least: files are rounded, and a kernel is never exact.
BEYOND = 0.5  # Standard deviation of what lies beyond the border about its continuation, in [-1, 1] units.
SHARP = 1.1  # Pixels; fine texture of sharp photographs is as soft.
NARROWER = 0.8  # Share of the width found that is taken out: too much makes rings, too little is only soft.
DOUBTFUL = 2 / 127.5  # As LEAST, for a kernel that was estimated.
SHAPES = {"gaussian": 1, "motion": 2, "defocus": 1}  # Numbers that each takes.
FORMS = "auto, gaussian:DEVIATION, motion:LENGTH,ANGLE, defocus:RADIUS, a file"


@dataclass(frozen=True)
class DeblurOptions:
    kernel: str = field(
        default="auto",
        metadata={
            "help": "what blurred the picture: gaussian:DEVIATION, motion:LENGTH,ANGLE (degrees, counter-clockwise) or "
            "defocus:RADIUS, in pixels; a file, .npy or a picture of how a point of light looks; auto: a Gaussian of the "
            "width that the edges show"
        },
    )
    sigma: float | Literal["auto"] = field(
        default="auto", metadata={"min": 0, "help": "noise of the picture, in grey levels (0-255); auto: estimated"}
    )


class Deblur(Task):
    """y = k * x + noise, with one kernel k for the whole picture. What lies beyond the border is not known; see `OpenBlur`.

    With several kernels in one picture, as where only the background is out of focus, the wrong one leaves rings or does
    nothing. `auto` knows no motion: it estimates the width of a Gaussian, which stands for a lens out of focus, too.
    """

    name = "deblur"
    help = "Sharpen a picture that is out of focus or shaken."
    Options = DeblurOptions

    def problem(self, picture: Picture, options: DeblurOptions) -> Problem:
        from restore.noise.measure import noise_of
        from restore.operators import OpenBlur
        from restore.problem import Problem

        pixels = picture.pixels
        kernel = _estimated(pixels) if options.kernel == "auto" else _kernel(options.kernel)
        if any(side > whole for side, whole in zip(kernel.shape, picture.size, strict=True)):
            sizes = [f"{shape[1]}x{shape[0]}" for shape in (kernel.shape, picture.size)]
            raise PictureError(f"the blur kernel has {sizes[0]} pixels, more than the picture, {sizes[1]}")
        # Of a model its level alone is used: conjugate gradients within conjugate gradients would take too long.
        level, _ = noise_of(picture, options.sigma)
        sigma_y = max(DOUBTFUL if options.kernel == "auto" else LEAST, level)
        operator = OpenBlur(kernel, picture.size, doubt=BEYOND / sigma_y)
        # Rows of the system count by their weights, those of y, too.
        y = operator.weights.to(pixels) * pixels
        return Problem(y=y, operator=operator, sigma_y=sigma_y, shape=tuple(pixels.shape))

    def found(self, problem: Problem[OpenBlur], options: DeblurOptions) -> dict[str, Any]:
        """The width is that of a Gaussian as wide as the kernel."""
        kernel = problem.operator.kernel
        variance = 0.0
        for axis in (0, 1):
            share = kernel.sum(dim=axis) / kernel.sum()
            place = share.new_tensor(range(len(share)))
            variance += float((share * (place - (share * place).sum()) ** 2).sum()) / 2
        return {"sigma": 127.5 * problem.sigma_y, "width": round(math.sqrt(variance), 3)}

    def guidance(self, problem: Problem, options: DeblurOptions) -> Guidance:
        from restore.guidance.pnp import PnP

        # Chosen on photographs, of Kodak and of samples, for four kernels; weights from 0.5 to 1 differ little.
        return PnP(weight=0.8, most=10)


def _estimated(pixels: Tensor) -> Tensor:
    """A Gaussian as wide as the picture's edges.

    Raises: PictureError for a picture whose edges are sharp.
    """
    from restore.blur_estimation import estimate_blur_width
    from restore.operators import kernels

    width = estimate_blur_width(pixels)
    if width < SHARP:
        raise PictureError(f"no blur found, the edges are as sharp as a Gaussian of {width:.1f} pixels; name one by --kernel")
    logger.info("blur estimated as a Gaussian of %.1f pixels; %.1f of them are taken out", width, NARROWER * width)
    return kernels.gaussian(NARROWER * width)


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
