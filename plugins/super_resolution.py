"""The task `super-resolution`."""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Optional

from restore.errors import OperatorError, PictureError, UsageError
from restore.noise.rounding import ROUNDED
from restore.plugins.manager import hookimpl
from restore.task import Task
from restore.wording import called

if TYPE_CHECKING:
    from restore.images import Picture
    from restore.noise.model import NoiseModel
    from restore.operators import Downsample
    from restore.operators.jpeg_cells import JPEGCells
    from restore.problem import Problem
    from restore.results.result import Result

logger = logging.getLogger("restore")

SCALE, LARGEST = 4.0, 16  # By default, and at most.
FINE = 4.0  # Grey levels: the mean step of a JPEG whose artefacts are as weak.


@dataclass(frozen=True)
class SuperResolutionOptions:
    scale: Optional[float] = field(  # noqa: UP045 - resolved at run time, on Python 3.10 too
        default=None,
        metadata={"above": 1, "max": LARGEST, "help": "how many times wider and higher, such as 2.5; by default 4"},
    )
    size: Optional[str] = field(  # noqa: UP045
        default=None,
        metadata={"help": "in place of --scale: 1920x (width), x1080 (height) or 1920x1080 (at most; proportions are kept)"},
    )
    megapixels: Optional[float] = field(  # noqa: UP045
        default=None, metadata={"above": 0, "help": "in place of --scale: millions of pixels of the large picture"}
    )
    reduced_by: str = field(
        default="auto",
        metadata={
            "help": "how the picture was made small: bicubic (antialiased), box (block means), lanczos, gaussian:WIDTH (its "
            "standard deviation in pixels of the small picture); auto: estimated"
        },
    )
    sigma: float | Literal["auto"] = field(
        default="auto",
        metadata={"min": 0, "help": "noise of the small picture, in grey levels (0-255); 0: exact; auto: estimated"},
    )


class SuperResolution(Task):
    """y = A(x) + noise with A a downsampling. Without noise, A of the result is the input, so colours cannot shift."""

    name = "super-resolution"
    help = "Enlarge a picture, with plausible detail."
    Options = SuperResolutionOptions

    def problem(self, picture: Picture, options: SuperResolutionOptions) -> Problem:
        from restore.blur.reduction import estimate_reduction
        from restore.operators import Downsample
        from restore.problem import Problem

        pixels, small = picture.pixels, picture.size
        size = _size(small, options)
        found = _measured(picture) if isinstance(options.sigma, str) else _Found(options.sigma / 127.5)
        kernel = options.reduced_by
        if kernel == "auto":
            # Noise and artefacts hide what the reduction left.
            kernel = estimate_reduction(pixels) if found.sigma_y == 0 else "bicubic"
        if kernel.startswith("gaussian") and found.sigma_y < ROUNDED:
            found = _Found(ROUNDED)  # What it left of high frequencies is no more than rounding errors.
        try:
            operator = Downsample.between(size, small, kernel)
        except OperatorError as error:
            raise UsageError(f"{called('reduced_by')}: {error}") from None
        logger.info("reduced by %s; from %dx%d to %dx%d pixels", kernel, *small[::-1], *size[::-1])
        return Problem(
            y=pixels,
            operator=operator,
            sigma_y=found.sigma_y,
            shape=(1, pixels.shape[1], *size),
            noise=found.noise,
            constraint=found.constraint,
        )

    def found(self, problem: Problem[Downsample], options: SuperResolutionOptions, result: Result) -> dict[str, Any]:
        grid = problem.operator
        return {
            "sigma": 127.5 * problem.sigma_y,
            "white": problem.noise is None,
            "jpeg": problem.constraint is not None,
            "reduced_by": grid.kernel,
            "size": [grid.size[1], grid.size[0]],
        }


@dataclass(frozen=True)
class _Found:
    """What is known of the noise of a picture."""

    sigma_y: float
    noise: NoiseModel | None = None
    constraint: JPEGCells | None = None


def _measured(picture: Picture) -> _Found:
    """The noise of a picture, and the cells of a JPEG whose artefacts are more than that."""
    from restore.compression import constraint_of, settings_of
    from restore.noise.measure import noise_of

    sigma_y, noise = noise_of(picture, "auto")
    cells = constraint_of(picture)
    if cells is None or cells.step <= FINE:
        return _Found(sigma_y, noise)
    # Artefacts of a smooth picture do not pass for noise, and would be enlarged; their level follows from the tables.
    return _Found(sigma_y or math.sqrt(cells.step) / 127.5, noise, cells.with_width(settings_of(cells).width))


def _size(small: tuple[int, int], options: SuperResolutionOptions) -> tuple[int, int]:
    """(height, width) of the large picture."""
    given = [name for name in ("scale", "size", "megapixels") if getattr(options, name) is not None]
    if len(given) > 1:
        raise UsageError(f"{called(given[0])} and {called(given[1])} both say how large; give one of them")
    height, width = small
    if options.size is not None:
        match = re.fullmatch(r"(\d*)x(\d*)", options.size.strip().lower())
        if match is None or not any(int(most or 0) for most in match.groups()) or "0" in match.groups():
            raise UsageError(f"{called('size')} takes WIDTHx, xHEIGHT or WIDTHxHEIGHT, such as 1920x, got {options.size!r}")
        scale = min(int(most) / side for most, side in zip(match.groups(), (width, height), strict=True) if most)
    elif options.megapixels is not None:
        scale = math.sqrt(options.megapixels * 1e6 / (height * width))
    else:
        scale = options.scale or SCALE
    size = max(height, round(height * scale)), max(width, round(width * scale))
    if scale <= 1 or size == small:
        raise PictureError(f"the picture has {width}x{height} pixels already; ask for more")
    if scale > LARGEST:
        raise PictureError(
            f"{size[1]}x{size[0]} pixels are {scale:.1f} times {width}x{height}; at most {LARGEST} times are possible"
        )
    return size


@hookimpl
def restore_tasks() -> list[Task]:
    return [SuperResolution()]
