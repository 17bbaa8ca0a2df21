"""The task `jpeg`."""

from __future__ import annotations

import dataclasses
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional

from restore.errors import UsageError
from restore.plugins.manager import hookimpl
from restore.task import Task
from restore.wording import called

if TYPE_CHECKING:
    from torch import Tensor

    from restore.images import Picture
    from restore.operators.jpeg_cells import JPEGCells
    from restore.problem import Problem

logger = logging.getLogger("restore")


@dataclass(frozen=True)
class JpegOptions:
    assumed_quality: Optional[int] = field(  # noqa: UP045 - resolved at run time, on Python 3.10 too
        default=None,
        metadata={"min": 1, "max": 100, "help": "quality it was saved at; read from a JPEG, estimated from other files"},
    )
    grid: Optional[str] = field(  # noqa: UP045
        default=None, metadata={"help": "X,Y of the first whole block, 0 to 15 each; estimated if not given"}
    )


class Jpeg(Task):
    """Each DCT coefficient of the picture lies in the interval that the encoder rounded: a constraint, with no noise.

    A picture that was read from a JPEG file has its coefficients; of others, tables and grid are estimated. One that shows no
    sign of compression stays as it is.
    """

    name = "jpeg"
    help = "Take compression artefacts out."
    Options = JpegOptions

    def problem(self, picture: Picture, options: JpegOptions) -> Problem:
        import torch

        from restore.compression import settings_of
        from restore.operators import Identity, Mask
        from restore.problem import Problem

        pixels, cells = picture.pixels, _cells(picture, options)
        shape = tuple(pixels.shape)
        if cells is None:
            flag = called("assumed_quality", such_as="N")
            logger.warning("no sign of JPEG compression, so the picture stays as it is; %s says otherwise", flag)
            # Nothing is missing, so nothing is evaluated.
            return Problem(y=pixels, operator=Mask(torch.ones_like(pixels[:, :1], dtype=torch.bool)), sigma_y=0.0, shape=shape)
        return Problem(
            y=pixels, operator=Identity(), sigma_y=0.0, shape=shape, constraint=cells.with_width(settings_of(cells).width)
        )

    def finish(self, picture: Picture, problem: Problem, restored: Tensor, options: JpegOptions) -> Picture:
        if problem.constraint is None:
            return picture
        # Written with its old tables it would be the old file again.
        return dataclasses.replace(picture.with_pixels(restored), jpeg=None)


def _cells(picture: Picture, options: JpegOptions) -> JPEGCells | None:
    from restore.compression import cells_of_pixels, constraint_of, estimate_compression

    origin = _origin(options.grid)
    if options.assumed_quality is None and picture.jpeg is not None:
        if origin is not None:
            raise UsageError(f"{called('grid')} is for pictures that are no longer JPEG files; this one has its own")
        return constraint_of(picture)
    found = estimate_compression(picture.pixels, quality=options.assumed_quality, origin=origin)
    if found is None:
        return None
    return cells_of_pixels(picture.pixels, found)


def _origin(grid: str | None) -> tuple[int, int] | None:
    """(row, column) of the picture on the grid, from the X,Y of its first whole block."""
    if grid is None:
        return None
    match = re.fullmatch(r"(\d+),(\d+)", grid.replace(" ", ""))
    if match is None or max(int(side) for side in match.groups()) > 15:
        raise UsageError(f"{called('grid')} takes X,Y, two numbers from 0 to 15, got {grid!r}")
    return -int(match[2]) % 16, -int(match[1]) % 16


@hookimpl
def restore_tasks() -> list[Task]:
    return [Jpeg()]
