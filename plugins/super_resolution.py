"""The task `super-resolution`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from restore.plugins.manager import hookimpl
from restore.task import Task

if TYPE_CHECKING:
    from restore.guidance.guidance import Guidance
    from restore.images import Picture
    from restore.problem import Problem


@dataclass(frozen=True)
class SuperResolutionOptions:
    scale: int = field(default=4, metadata={"min": 2, "max": 16, "help": "how many times wider and higher"})
    reduced_by: str = field(
        default="bicubic",
        metadata={"choices": ["bicubic", "box"], "help": "how the picture was made small: antialiased bicubic, or block means"},
    )
    sigma: float = field(default=0.0, metadata={"min": 0, "help": "noise of the small picture, in grey levels (0-255)"})


class SuperResolution(Task):
    """y = A(x) with A a downsampling. A of the result is the input, so colours cannot shift."""

    name = "super-resolution"
    help = "Enlarge a picture, with plausible detail."
    Options = SuperResolutionOptions

    def problem(self, picture: Picture, options: SuperResolutionOptions) -> Problem:
        from restore.operators import Downsample
        from restore.problem import Problem

        _, channels, height, width = picture.pixels.shape
        size = (height * options.scale, width * options.scale)
        operator = Downsample(size, options.scale, options.reduced_by)
        return Problem(y=picture.pixels, operator=operator, sigma_y=options.sigma / 127.5, shape=(1, channels, *size))

    def guidance(self, problem: Problem, options: SuperResolutionOptions) -> Guidance | None:
        from restore.guidance.pnp import ENLARGING

        return ENLARGING if problem.sigma_y == 0 else None


@hookimpl
def restore_tasks() -> list[Task]:
    return [SuperResolution()]
