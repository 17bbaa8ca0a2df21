"""A complete plugin for `restore`: fill the dead columns of a sensor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from restore import Task, hookimpl

if TYPE_CHECKING:  # Every `restore --help` imports all plugins; torch is imported only when a picture is restored.
    from torch import Tensor

    from restore.images import Picture
    from restore.problem import Problem


@dataclass(frozen=True)
class Options:
    every: int = field(default=8, metadata={"min": 2, "help": "every N-th column is dead, beginning with the first"})


class DeadColumns(Task):
    """y is the picture with its dead columns set to 0; the operator keeps the others."""

    name = "dead-columns"
    help = "Fill the dead columns of a sensor."
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
    """Bool (1, 1, H, W), True where the column is measured."""
    import torch

    height, width = pixels.shape[-2:]
    return (torch.arange(width) % every != 0).expand(1, 1, height, width)


@hookimpl
def restore_tasks() -> list[Task]:
    return [DeadColumns()]
