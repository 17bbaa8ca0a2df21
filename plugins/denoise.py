"""The task `denoise`."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional

from restore.plugins.manager import hookimpl
from restore.task import Task

if TYPE_CHECKING:
    from restore.guidance import Guidance
    from restore.images import Picture
    from restore.problem import Problem

logger = logging.getLogger("restore")


@dataclass(frozen=True)
class DenoiseOptions:
    sigma: Optional[float] = field(  # noqa: UP045 - resolved at run time, on Python 3.10 too
        default=None, metadata={"min": 0, "max": 255, "help": "noise in grey levels (0-255); estimated if not given"}
    )


class Denoise(Task):
    """y = x + noise. One evaluation of the prior at the noise level of the picture gives the posterior mean."""

    name = "denoise"
    help = "Take noise out of a picture."
    Options = DenoiseOptions

    def problem(self, picture: Picture, options: DenoiseOptions) -> Problem:
        from restore.noise_estimation import estimate_sigma
        from restore.operators import Identity
        from restore.problem import Problem

        if options.sigma is None:
            sigma_y = estimate_sigma(picture.pixels)
            logger.info("noise estimated at %.1f grey levels", sigma_y * 127.5)
        else:
            sigma_y = options.sigma / 127.5
        return Problem(y=picture.pixels, operator=Identity(), sigma_y=sigma_y, shape=tuple(picture.pixels.shape))

    def guidance(self, problem: Problem, options: DenoiseOptions) -> Guidance:
        from restore.guidance import Denoising

        return Denoising()


@hookimpl
def restore_tasks() -> list[Task]:
    return [Denoise()]
