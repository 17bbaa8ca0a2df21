"""The task `denoise`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from restore.plugins.manager import hookimpl
from restore.task import Task

if TYPE_CHECKING:
    from torch import Tensor

    from restore.images import Picture
    from restore.problem import Problem


@dataclass(frozen=True)
class DenoiseOptions:
    sigma: float | Literal["auto"] = field(
        default="auto",
        metadata={"min": 0, "max": 255, "help": "white noise in grey levels (0-255); auto: measured, of any kind"},
    )
    strength: float = field(
        default=1.0, metadata={"min": 0, "max": 1, "help": "share of the noise that is taken out; 0.5 leaves half of it"}
    )


class Denoise(Task):
    """y = x + noise. White noise takes one evaluation of the prior, at its level; other noise is whitened first."""

    name = "denoise"
    help = "Take noise out of a picture."
    Options = DenoiseOptions

    def problem(self, picture: Picture, options: DenoiseOptions) -> Problem:
        from restore.noise.clipping import is_clipped
        from restore.noise.measure import noise_of
        from restore.operators import Identity
        from restore.problem import Problem

        pixels = picture.pixels
        sigma_y, noise = noise_of(picture, options.sigma)
        return Problem(
            y=pixels,
            operator=Identity(),
            sigma_y=sigma_y,
            shape=tuple(pixels.shape),
            noise=noise,
            clipped=sigma_y > 0 and is_clipped(pixels),
        )

    def finish(self, picture: Picture, problem: Problem, restored: Tensor, options: DenoiseOptions) -> Picture:
        return picture.with_pixels(picture.pixels.lerp(restored, options.strength) if options.strength < 1 else restored)


@hookimpl
def restore_tasks() -> list[Task]:
    return [Denoise()]
