"""The task `edit`."""

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
            "own_method": True,
            "help": "share of the prior's noise levels that is used: more changes more, 1 starts at the highest",
        },
    )


class Edit(Task):
    """SDEdit: there is no measurement; sampling starts at the picture with noise added."""

    name = "edit"
    help = "Turn a rough draft into a plausible picture: add noise, and remove it with the prior."
    Options = EditOptions

    def problem(self, picture: Picture, options: EditOptions) -> Problem:
        from restore.guidance import nothing_measured

        return nothing_measured(tuple(picture.pixels.shape), start=picture.pixels)

    def guidance(self, problem: Problem, options: EditOptions) -> Guidance:
        from restore.guidance import SDEdit

        return SDEdit(options.strength)


@hookimpl
def restore_tasks() -> list[Task]:
    return [Edit()]
