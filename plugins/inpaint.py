"""The task `inpaint`."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from restore.errors import UsageError
from restore.plugins.manager import hookimpl
from restore.task import Task

if TYPE_CHECKING:
    from torch import Tensor

    from restore.guidance import Guidance
    from restore.images import Picture
    from restore.operators import Mask
    from restore.problem import Problem

logger = logging.getLogger("restore")


@dataclass(frozen=True)
class InpaintOptions:
    mask: Any = field(default=None, metadata={"picture": True, "help": "mask: white is filled, black is kept"})
    mask_from: str = field(
        default="file", metadata={"choices": ["file", "alpha"], "help": "take the mask from --mask or from transparent pixels"}
    )
    invert_mask: bool = field(default=False, metadata={"help": "black is filled, white is kept"})
    mask_grow: int = field(default=0, metadata={"min": 0, "help": "grow the filled area by N pixels"})
    resize_mask: bool = field(default=False, metadata={"help": "stretch a mask of another size onto the picture"})
    sigma: float = field(default=0.0, metadata={"min": 0, "help": "noise of the known pixels, in grey levels (0-255)"})


class Inpaint(Task):
    """y = keep * x. With `sigma` 0 the known pixels stay bit for bit; otherwise they are denoised too."""

    name = "inpaint"
    help = "Fill the part of a picture that a mask marks."
    Options = InpaintOptions

    def problem(self, picture: Picture, options: InpaintOptions) -> Problem:
        from restore.operators import Mask
        from restore.problem import Problem

        pixels = picture.pixels
        fill = _mask(picture, options)
        share = float(fill.float().mean())
        logger.info("mask fills %.1f %% of the picture", 100 * share)
        if share == 1:
            logger.warning("the mask fills the whole picture: everything will be invented")
        elif share == 0 and options.sigma == 0:
            logger.warning("the mask marks nothing, so the picture stays as it is; white is filled, --invert-mask fills black")
        keep = ~fill
        return Problem(y=pixels * keep, operator=Mask(keep), sigma_y=options.sigma / 127.5, shape=tuple(pixels.shape))

    def guidance(self, problem: Problem, options: InpaintOptions) -> Guidance | None:
        from restore.guidance.pnp import FILLING

        return FILLING if problem.sigma_y == 0 else None

    def finish(self, picture: Picture, problem: Problem[Mask], restored: Tensor, options: InpaintOptions) -> Picture:
        fill = ~problem.operator.keep
        finished = picture.with_pixels(restored if options.sigma > 0 else restored.where(fill, picture.pixels))
        return finished.reveal(fill) if options.mask_from == "alpha" else finished


def _mask(picture: Picture, options: InpaintOptions) -> Tensor:
    from restore.images import mask_from_alpha, read_mask

    if options.mask_from == "alpha":
        return mask_from_alpha(picture)
    if options.mask is None:
        raise UsageError("inpaint needs a mask: --mask FILE (white is filled), or --mask-from alpha")
    size = (picture.pixels.shape[-2], picture.pixels.shape[-1])
    return read_mask(options.mask, size, invert=options.invert_mask, grow=options.mask_grow, resize=options.resize_mask)


@hookimpl
def restore_tasks() -> list[Task]:
    return [Inpaint()]
