"""Make a picture's detail anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from restore.plugins.manager import hookimpl
from restore.task import Task

if TYPE_CHECKING:
    from restore.guidance import Guidance
    from restore.images import Picture
    from restore.problem import Problem


@dataclass(frozen=True)
class EditOptions:
    strength: float = field(
        default=0.4,
        metadata={
            "min": 0.01,
            "max": 1,
            "help": "share of a whole run's levels to climb and come back: more invents more, 1 begins where whole runs do",
        },
    )


class Edit(Task):
    """Nothing is measured; the picture is where the run begins."""

    name = "edit"
    help = "Noise a picture to a level and come back: rough drafts become plausible."
    Options = EditOptions

    def problem(self, picture: Picture, options: EditOptions) -> Problem:
        from restore.guidance.unconditional import nothing_measured

        return nothing_measured(tuple(picture.pixels.shape), start=picture.pixels)

    def guidance(self, problem: Problem, options: EditOptions) -> Guidance:
        from restore.guidance import SDEdit

        return SDEdit(options.strength)


@hookimpl
def restore_tasks() -> list[Task]:
    return [Edit()]
