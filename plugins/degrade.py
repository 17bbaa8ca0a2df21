"""The task `degrade`: does to a picture what `run` undoes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional

from restore.plugins.manager import hookimpl
from restore.task import Task

if TYPE_CHECKING:
    from torch import Tensor

    from restore.images import Picture
    from restore.problem import Problem


@dataclass(frozen=True)
class DegradeOptions:
    op: Optional[str] = field(  # noqa: UP045 - resolved at run time, on Python 3.10 too
        default=None,
        metadata={"required": True, "help": "what to do to the picture, as 'blur:1.6 | noise:5 | jpeg:60'; see restore ops"},
    )
    noise_seed: int = field(default=0, metadata={"min": 0, "help": "seed of the noise that is added"})


class Degrade(Task):
    """Makes test pictures. Nothing is restored, and no network is evaluated."""

    name = "degrade"
    help = "Damage a picture, to try a task on it."
    Options = DegradeOptions

    def problem(self, picture: Picture, options: DegradeOptions) -> Problem:
        import torch

        from restore.degradation import Degradation
        from restore.operators import Mask
        from restore.problem import Problem

        assert options.op is not None
        Degradation.parse(options.op)
        pixels = picture.pixels
        return Problem(
            y=pixels,
            operator=Mask(torch.ones_like(pixels[:, :1], dtype=torch.bool)),  # Nothing is missing.
            sigma_y=0.0,
            shape=tuple(pixels.shape),
        )

    def finish(self, picture: Picture, problem: Problem, restored: Tensor, options: DegradeOptions) -> Picture:
        from restore.degradation import Degradation

        assert options.op is not None
        degraded = Degradation.parse(options.op).apply(picture.pixels, options.noise_seed)
        return dataclasses.replace(picture.with_pixels(degraded), jpeg=None)


@hookimpl
def restore_tasks() -> list[Task]:
    return [Degrade()]
