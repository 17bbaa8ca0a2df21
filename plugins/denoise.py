"""The task `denoise`."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from restore.plugins.manager import hookimpl
from restore.task import Task
from restore.wording import called

if TYPE_CHECKING:
    from torch import Tensor

    from restore.guidance.guidance import Guidance
    from restore.images import Picture
    from restore.problem import Problem

logger = logging.getLogger("restore")


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
    """y = x + noise. White noise takes one evaluation of the prior, at its level; other noise is whitened first.

    What was measured as noise in a JPEG and is none, but what compression did, is taken out as the task `jpeg` does.
    """

    name = "denoise"
    help = "Take noise out of a picture."
    Options = DenoiseOptions

    def problem(self, picture: Picture, options: DenoiseOptions) -> Problem:
        from restore.compression import artefacts_of
        from restore.noise.clipping import is_clipped
        from restore.noise.measure import noise_of
        from restore.operators import Identity
        from restore.problem import Problem

        pixels = picture.pixels
        sigma_y, noise = noise_of(picture, options.sigma)
        shape = tuple(pixels.shape)
        cells = artefacts_of(picture, sigma_y) if options.sigma == "auto" and sigma_y > 0 else None
        if cells is not None:
            flag = called("sigma", such_as="N")
            logger.info("it is what JPEG compression did, so artefacts are taken out; %s takes out noise", flag)
            return Problem(y=pixels, operator=Identity(), sigma_y=0.0, shape=shape, constraint=cells)
        clipped = sigma_y > 0 and is_clipped(pixels)
        return Problem(y=pixels, operator=Identity(), sigma_y=sigma_y, shape=shape, noise=noise, clipped=clipped)

    def guidance(self, problem: Problem, options: DenoiseOptions) -> Guidance | None:
        from restore.compression import settings_of
        from restore.operators.jpeg_cells import JPEGCells

        return settings_of(problem.constraint).method() if isinstance(problem.constraint, JPEGCells) else None

    def finish(self, picture: Picture, problem: Problem, restored: Tensor, options: DenoiseOptions) -> Picture:
        finished = picture.with_pixels(picture.pixels.lerp(restored, options.strength) if options.strength < 1 else restored)
        # Written with its old tables what was in its cells would be the old file again.
        return finished if problem.constraint is None else dataclasses.replace(finished, jpeg=None)


@hookimpl
def restore_tasks() -> list[Task]:
    return [Denoise()]
