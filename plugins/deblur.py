"""The task `deblur`."""

from __future__ import annotations

import dataclasses
import logging
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional

from restore.errors import PictureError
from restore.noise.rounding import ROUNDED
from restore.plugins.manager import hookimpl
from restore.task import Task
from restore.wording import called

if TYPE_CHECKING:
    from torch import Tensor

    from restore.guidance.guidance import Guidance
    from restore.images import Picture
    from restore.operators import OpenBlur
    from restore.problem import Problem
    from restore.results.result import Result

logger = logging.getLogger("restore")

CAUTIOUS = 4.0  # Weight of denoising where a motion was estimated.
BEYOND = 0.5  # Standard deviation of what lies beyond the border about its continuation, in [-1, 1] units.
SHARP = 1.1  # Pixels; fine texture of sharp photographs is as soft.
ROUND = 0.88  # Similarity to a Gaussian from which a kernel is taken for one.
SHAKEN, AGREED = 1.5, 0.6  # Pixels of width that a motion has at least, and how alike halves of the picture see it.
NARROWER = 0.8  # Share of the width found that is taken out: too much makes rings, too little is only soft.
DOUBTFUL, GUESSED = 2 / 127.5, 8 / 127.5  # As ROUNDED, for the width that was estimated, and for a motion.
COMPRESSED = 1.0 / 127.5  # Deviation beside cells, over the root of their mean step: how wrong what the prior says of them is.


@dataclass(frozen=True)
class DeblurOptions:
    kernel: str = field(
        default="auto",
        metadata={
            "help": "what blurred the picture: gaussian:DEVIATION, motion:LENGTH,ANGLE (degrees, counter-clockwise) or "
            "defocus:RADIUS, in pixels; a file, .npy or a picture of how a point of light looks; auto: a motion, if both "
            "halves of the picture show the same, or a Gaussian of the width that the edges show"
        },
    )
    write_kernel: Optional[str] = field(  # noqa: UP045 - resolved at run time, on Python 3.10 too
        default=None, metadata={"help": "write the kernel that was taken out to this .npy file, or as a 16-bit .png"}
    )
    sigma: float | Literal["auto"] = field(
        default="auto", metadata={"min": 0, "help": "noise of the picture, in grey levels (0-255); auto: estimated"}
    )


class Deblur(Task):
    """y = k * x + noise, with one kernel k for the whole picture. What lies beyond the border is not known; see `OpenBlur`.

    With several kernels in one picture, as where only the background is out of focus, the wrong one leaves rings or does
    nothing. `auto` looks for a motion (`estimate_kernel`), then for the width of a Gaussian, which stands for a lens out of
    focus, too.
    """

    name = "deblur"
    help = "Sharpen a picture that is out of focus or shaken."
    Options = DeblurOptions

    def problem(self, picture: Picture, options: DeblurOptions) -> Problem:
        from restore.blur.kernel_files import check_target, kernel_of
        from restore.blur.noise import noise_with_kernel
        from restore.compression import artefacts_of
        from restore.noise.measure import noise_of
        from restore.operators import OpenBlur
        from restore.operators.weighted import Weighted
        from restore.problem import Problem

        check_target(options.write_kernel)
        pixels = picture.pixels
        kernel, least = _estimated(pixels) if options.kernel == "auto" else (kernel_of(options.kernel), ROUNDED)
        if any(side > whole for side, whole in zip(kernel.shape, picture.size, strict=True)):
            sizes = [f"{shape[1]}x{shape[0]}" for shape in (kernel.shape, picture.size)]
            raise PictureError(f"the blur kernel has {sizes[0]} pixels, more than the picture, {sizes[1]}")
        level, _ = noise_of(picture, options.sigma, least=0.0)
        cells = artefacts_of(picture, level) if options.sigma == "auto" else None
        if cells is not None:
            level = COMPRESSED * math.sqrt(cells.step)
            logger.info("the picture was a JPEG: coefficients stay in their cells; noise of %.1f beside", level * 127.5)
        elif options.sigma == "auto":
            assumed = noise_with_kernel(picture, kernel, level)
            if assumed > level:
                logger.info("white noise of %.1f grey levels is assumed: this blur would multiply it", assumed * 127.5)
            level = assumed + _of_compression(picture)
        sigma_y = max(least, level)
        operator = OpenBlur(kernel, picture.size, doubt=BEYOND / sigma_y)
        return Problem(
            y=operator.weighted(pixels),
            operator=operator,
            sigma_y=sigma_y,
            shape=tuple(pixels.shape),
            start=pixels,
            constraint=None if cells is None else Weighted(cells, operator.weights),
        )

    def found(self, problem: Problem[OpenBlur], options: DeblurOptions, result: Result) -> dict[str, Any]:
        """The width is that of a Gaussian as wide as the kernel."""
        kernel = problem.operator.kernel
        variance = 0.0
        for axis in (0, 1):
            share = kernel.sum(dim=axis) / kernel.sum()
            place = share.new_tensor(range(len(share)))
            variance += float((share * (place - (share * place).sum()) ** 2).sum()) / 2
        return {"sigma": 127.5 * problem.sigma_y, "width": round(math.sqrt(variance), 3)}

    def guidance(self, problem: Problem[OpenBlur], options: DeblurOptions) -> Guidance | None:
        from restore.guidance.pnp import PnP

        guessed = options.kernel == "auto" and problem.sigma_y >= GUESSED
        return PnP(weight=CAUTIOUS, sigma_start=1.0, most=6) if guessed else None

    def finish(self, picture: Picture, problem: Problem[OpenBlur], restored: Tensor, options: DeblurOptions) -> Picture:
        from restore.blur.kernel_files import write_kernel

        if options.write_kernel is not None:
            write_kernel(Path(options.write_kernel), problem.operator.kernel)
        finished = picture.with_pixels(restored)
        # Written with its old tables it would be compressed as it was.
        return finished if problem.constraint is None else dataclasses.replace(finished, jpeg=None)


def _of_compression(picture: Picture) -> float:
    """What a JPEG adds to the deviation of noise that is stronger than its artefacts; 0 for other pictures."""
    from restore.compression import constraint_of

    cells = constraint_of(picture)
    return 0.0 if cells is None else COMPRESSED * math.sqrt(cells.step)


def _estimated(pixels: Tensor) -> tuple[Tensor, float]:
    """A motion that both halves of the picture show, or a Gaussian as wide as its edges; and the noise that stands for what is
    wrong with it, as ROUNDED.

    Raises: PictureError for a picture whose edges are sharp.
    """
    from restore.blur.kernel import estimate_kernel, similarity
    from restore.blur.width import estimate_blur_width
    from restore.operators import kernels

    found = estimate_kernel(pixels)
    if found is not None and found.agreement >= AGREED and found.widths[1] >= SHAKEN:
        likeness = max(similarity(found.kernel, kernels.gaussian(0.25 * quarter)) for quarter in range(2, 17))
        if likeness < ROUND:
            logger.info(
                "blur estimated as a motion, kernel %dx%d; halves of the picture agree by %.2f",
                *reversed(found.kernel.shape),
                found.agreement,
            )
            return found.kernel, GUESSED
    width = estimate_blur_width(pixels)
    if width < SHARP:
        raise PictureError(
            f"no blur found, the edges are as sharp as a Gaussian of {width:.1f} pixels; name one by {called('kernel')}"
        )
    logger.info("blur estimated as a Gaussian of %.1f pixels; %.1f of them are taken out", width, NARROWER * width)
    return kernels.gaussian(NARROWER * width), DOUBTFUL


@hookimpl
def restore_tasks() -> list[Task]:
    return [Deblur()]
