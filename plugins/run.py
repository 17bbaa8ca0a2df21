"""The task `run`: undoes a degradation that is told as text."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional

from restore.plugins.manager import hookimpl
from restore.task import Task

if TYPE_CHECKING:
    from torch import Tensor

    from restore.guidance.guidance import Guidance
    from restore.images import Picture
    from restore.problem import Problem
    from restore.results.result import Result

EXAMPLE = "'gray | blur:1.6 | downsample:2 | noise:5 | jpeg:60'"


@dataclass(frozen=True)
class RunTaskOptions:
    op: Optional[str] = field(  # noqa: UP045 - resolved at run time, on Python 3.10 too
        default=None,
        metadata={"required": True, "help": f"what was done to the picture, in this order, as {EXAMPLE}; see restore ops"},
    )


class Run(Task):
    """y = A_n( ... A_1(x)) + noise: all stages in one solve."""

    name = "run"
    help = "Undo a degradation told as text: operators by name, noise, JPEG."
    Options = RunTaskOptions

    def problem(self, picture: Picture, options: RunTaskOptions) -> Problem:
        from restore.degradation import Degradation

        assert options.op is not None
        return Degradation.parse(options.op).problem(picture.pixels)

    def guidance(self, problem: Problem, options: RunTaskOptions) -> Guidance | None:
        from restore.guidance.dps import DPS
        from restore.operators import Linear

        return None if isinstance(problem.operator, Linear) else DPS()  # The toolkit has no default for what is not linear.

    def found(self, problem: Problem, options: RunTaskOptions, result: Result) -> dict[str, Any]:
        return {"sigma": 127.5 * problem.sigma_y}

    def finish(self, picture: Picture, problem: Problem, restored: Tensor, options: RunTaskOptions) -> Picture:
        # Written with its old tables a JPEG would be the old file again.
        return dataclasses.replace(picture.with_pixels(restored), jpeg=None)


@hookimpl
def restore_tasks() -> list[Task]:
    return [Run()]
