"""A prior's inner activations at a noise level as features of a picture, and the task `features` that shows them.

A network that denoises has learnt what pictures consist of; what it computes inside serves segmentation (Baranchuk et al. 2022,
2112.03126) and classification (Xiang et al. 2023, 2303.09769), which are trained on few labels then.

    from restore_features.activations import features, places
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from restore import Task, hookimpl

if TYPE_CHECKING:  # Every `restore --help` imports all plugins; torch is imported only when a picture is restored.
    from restore import Guidance, Picture, Problem


@dataclass(frozen=True)
class Options:
    level: float = field(default=5.0, metadata={"min": 0.5, "help": "noise that the network sees, in grey levels"})
    place: str = field(default="", metadata={"help": "module of the prior; by default the last of the coarsest level"})


class Features(Task):
    """The result is no restored picture, but a map of the features: a method of its own makes it in one transition."""

    name = "features"
    help = "Show a prior's inner activations: equal colours are alike to its network."
    Options = Options

    def problem(self, picture: Picture, options: Options) -> Problem:
        from restore.guidance import nothing_measured

        return nothing_measured(tuple(picture.pixels.shape), start=picture.pixels)

    def guidance(self, problem: Problem, options: Options) -> Guidance:
        from restore_features.activations import Components

        return Components(options.level / 127.5, options.place)


@hookimpl
def restore_tasks() -> list[Task]:
    return [Features()]
