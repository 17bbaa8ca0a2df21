"""The task `colorize`."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from restore.errors import PictureError
from restore.plugins.manager import hookimpl
from restore.task import Task
from restore.wording import called

if TYPE_CHECKING:
    from torch import Tensor

    from restore.guidance import Guidance
    from restore.images import Picture
    from restore.problem import Problem


logger = logging.getLogger("restore")


@dataclass(frozen=True)
class ColorizeOptions:
    hints: Any = field(
        default=None, metadata={"picture": True, "help": "strokes: a picture with colour where painted, transparent elsewhere"}
    )


class Colorize(Task):
    """y is luma everywhere and chroma at the strokes. Strokes set the chroma only; the picture keeps its luma.

    Luma of a JPEG is known as far as its cells say: artefacts are taken out.
    """

    name = "colorize"
    help = "Give a gray picture colour, led by painted hints."
    Options = ColorizeOptions

    def problem(self, picture: Picture, options: ColorizeOptions) -> Problem:
        from restore.compression import artefacts_of
        from restore.operators import Gray, GrayWithHints
        from restore.operators.luma_cells import LumaCells
        from restore.problem import Problem

        pixels = picture.pixels
        gray = pixels if pixels.shape[1] == 1 else Gray()(pixels)
        shape = (1, 3, *gray.shape[-2:])
        if options.hints is None:
            logger.warning(
                "no hints: the best estimate of the colours is nearly gray; give %s, or use %s",
                called("hints"),
                called("guidance", "ddnm"),
            )
            return Problem(y=gray, operator=Gray(), sigma_y=0.0, shape=shape)
        colour, painted = _strokes(options.hints, (shape[2], shape[3]))
        operator = GrayWithHints(painted)
        # The stroke's colour with the picture's own luma.
        y = operator(colour + (gray - Gray()(colour)))
        cells = artefacts_of(picture, 0.0)
        if cells is not None:
            logger.info("luma is that of a JPEG, and compression artefacts are taken out of it")
        constraint = None if cells is None else LumaCells(y, operator, cells)
        return Problem(y=y, operator=operator, sigma_y=0.0, shape=shape, constraint=constraint)

    def guidance(self, problem: Problem, options: ColorizeOptions) -> Guidance | None:
        from restore.compression import settings_of
        from restore.guidance import PnP
        from restore.operators.jpeg_cells import JPEGCells
        from restore.operators.luma_cells import LumaCells

        if isinstance(problem.constraint, LumaCells) and isinstance(problem.constraint.cells, JPEGCells):
            return settings_of(problem.constraint.cells).method()
        # The initial estimate (hints spread up to edges) is accurate, and at higher noise levels the prior desaturates it.
        return PnP(sigma_start=0.03, most=8) if options.hints is not None else None

    def finish(self, picture: Picture, problem: Problem, restored: Tensor, options: ColorizeOptions) -> Picture:
        finished = super().finish(picture, problem, restored, options)
        # Written with its old tables its luma would be the old one again.
        return finished if problem.constraint is None else dataclasses.replace(finished, jpeg=None)


def _strokes(value: Any, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Colours (1, 3, H, W) in [-1, 1], and where they are painted, bool (1, 1, H, W)."""
    import torch

    from restore.images import as_picture

    strokes = as_picture(value)
    pixels = strokes.pixels.expand(-1, 3, -1, -1)
    if tuple(pixels.shape[-2:]) != size:
        given, wanted = pixels.shape[-2:], size
        raise PictureError(
            f"hints are {given[1]}x{given[0]} pixels but the picture is {wanted[1]}x{wanted[0]}; give hints of the same size"
        )
    if strokes.alpha is None:
        raise PictureError("hints have no transparency; paint colour on a transparent layer of the picture's size")
    opaque = torch.from_numpy(strokes.alpha.astype("float32"))[None, None]
    return pixels, opaque > 0.5 * opaque.max().clamp_min(1)


@hookimpl
def restore_tasks() -> list[Task]:
    return [Colorize()]
