"""Fill the columns that a sensor lost: the whole of a plugin for `restore`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from restore import Task, hookimpl

if TYPE_CHECKING:  # A plugin is imported for every `restore --help`, so torch comes in only when a picture is restored.
    from torch import Tensor

    from restore.images import Picture
    from restore.problem import Problem


@dataclass(frozen=True)
class Options:
    every: int = field(default=8, metadata={"min": 2, "help": "every N-th column is lost, the first one included"})


class DeadColumns(Task):
    """y = the columns that were kept."""

    name = "dead-columns"
    help = "Fill the columns that a sensor lost."
    Options = Options

    def problem(self, picture: Picture, options: Options) -> Problem:
        from restore.operators import Mask
        from restore.problem import Problem

        pixels = picture.pixels
        keep = _kept(pixels, options.every)
        return Problem(y=keep * pixels, operator=Mask(keep), sigma_y=0.0, shape=tuple(pixels.shape))

    def finish(self, picture: Picture, problem: Problem, restored: Tensor, options: Options) -> Picture:
        return picture.with_pixels(picture.pixels.where(_kept(picture.pixels, options.every), restored))


def _kept(pixels: Tensor, every: int) -> Tensor:
    """Bool (1, 1, H, W): true where the column is known."""
    import torch

    height, width = pixels.shape[-2:]
    return (torch.arange(width) % every != 0).expand(1, 1, height, width)


@hookimpl
def restore_tasks() -> list[Task]:
    return [DeadColumns()]
