"""The task `anomaly`: a heat map of what does not belong into a picture, for a prior that was trained on normal ones.

The picture is noised to a level and comes back by the prior, which knows nothing but normal pictures; where the two differ,
something does not belong (Wyatt et al. 2022, "AnoDDPM", CVPR workshops; Wolleb et al. 2022, 2203.04306).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from restore import Task, hookimpl

if TYPE_CHECKING:  # Every `restore --help` imports all plugins; torch is imported only when a picture is restored.
    from torch import Tensor

    from restore import Guidance, Picture, Problem, Result

WHOLE = 127.5  # Grey levels of the unit of [-1, 1] pictures.


@dataclass(frozen=True)
class Options:
    level: float = field(
        default=64.0,
        metadata={"min": 0.5, "help": "noise to come back from, in grey levels; what is smaller than it is made anew"},
    )
    smooth: int = field(default=1, metadata={"min": 0, "max": 64, "help": "radius of the map's smoothing in pixels"})
    white: float = field(default=64.0, metadata={"min": 1, "max": 255, "help": "difference that is white, in grey levels"})


class Anomaly(Task):
    """There is no measurement: the result depends on the picture through the noised picture alone."""

    name = "anomaly"
    help = "Show what does not belong into a picture, given a prior of normal ones."
    Options = Options

    def problem(self, picture: Picture, options: Options) -> Problem:
        from restore.guidance import nothing_measured

        return nothing_measured(tuple(picture.pixels.shape), start=picture.pixels)

    def guidance(self, problem: Problem, options: Options) -> Guidance:
        from restore_anomaly.noising import FromLevel

        return FromLevel(options.level / WHOLE)

    def found(self, problem: Problem, options: Options, result: Result) -> dict[str, Any]:
        """The highest of the map and its mean, in grey levels."""
        assert problem.start is not None
        apart = differences(problem.start, result.x.to(problem.start), options.smooth)
        return {"highest": round(float(apart.max()), 2), "mean": round(float(apart.mean()), 2)}

    def finish(self, picture: Picture, problem: Problem, restored: Tensor, options: Options) -> Picture:
        """The map in grey: black where the picture came back as it was, white from a difference of `white` on."""
        share = differences(picture.pixels, restored, options.smooth) / options.white
        return picture.with_pixels(2 * share.clamp(0, 1) - 1)


def differences(x: Tensor, normal: Tensor, smooth: int) -> Tensor:
    """|x - normal| (B, 1, H, W) in grey levels, the mean of channels and of 2 `smooth` + 1 pixels a side.

    Args:
        x, normal: (B, C, H, W) in [-1, 1].
    """
    from torch.nn import functional as F

    apart = WHOLE * (x - normal).abs().mean(dim=1, keepdim=True)
    return F.avg_pool2d(apart, 2 * smooth + 1, stride=1, padding=smooth, count_include_pad=False)


@hookimpl
def restore_tasks() -> list[Task]:
    return [Anomaly()]
