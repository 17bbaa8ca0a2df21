"""The task `translate`: a picture of one domain becomes one of another, by a prior of each; no pairs are needed.

The prior of the source turns the picture into noise along its probability-flow ODE, and the prior of the target turns this
noise into a picture (Su et al. 2023, "Dual diffusion implicit bridges", 2203.08382). Without a source, fresh noise covers the
picture (SDEdit, Meng et al. 2022, 2108.01073).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional

from restore import Task, hookimpl

if TYPE_CHECKING:  # Every `restore --help` imports all plugins; torch is imported only when a picture is restored.
    from restore import Guidance, Picture, Problem


@dataclass(frozen=True)
class Options:
    source: Any = field(
        default=None,
        metadata={"prior": True, "help": "prior of the picture's own domain; without one the picture is covered with noise"},
    )
    level: Optional[float] = field(  # noqa: UP045 - resolved at run time, on Python 3.10 too
        default=None,
        metadata={
            "min": 0.5,
            "help": "noise between the domains, in grey levels; by default 2000 with a source, 128 without",
        },
    )


class Translate(Task):
    """There is no measurement: the result depends on the picture through its noise alone."""

    name = "translate"
    help = "Turn a picture of one domain into one of --prior's."
    Options = Options

    def problem(self, picture: Picture, options: Options) -> Problem:
        from restore.guidance import nothing_measured

        return nothing_measured(tuple(picture.pixels.shape), start=picture.pixels)

    def guidance(self, problem: Problem, options: Options) -> Guidance:
        from restore_translate.bridge import bridge

        return bridge(options.source, options.level)


@hookimpl
def restore_tasks() -> list[Task]:
    return [Translate()]
