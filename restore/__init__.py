"""restore: restores pictures with guided diffusion models.

    from restore import Restorer
    restorer = Restorer.from_pretrained("photo")
    result = restorer("inpaint", "img.png", mask="mask.png")

Names are imported when first used, so `import restore` is instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.lazy import lazily

if TYPE_CHECKING:
    from restore.errors import RestoreError
    from restore.plugins.manager import hookimpl
    from restore.problem import Problem
    from restore.restorer import Restorer
    from restore.results.result import Event, Result
    from restore.run_options import RunOptions
    from restore.shortcuts import auto, colorize, deblur, denoise, diagnose, inpaint, jpeg, super_resolution
    from restore.solver import solve
    from restore.task import Task

_HOMES = {
    "Event": "restore.results.result",
    "Problem": "restore.problem",
    "RestoreError": "restore.errors",
    "Restorer": "restore.restorer",
    "Result": "restore.results.result",
    "RunOptions": "restore.run_options",
    "Task": "restore.task",
    "auto": "restore.shortcuts",
    "colorize": "restore.shortcuts",
    "deblur": "restore.shortcuts",
    "denoise": "restore.shortcuts",
    "diagnose": "restore.shortcuts",
    "hookimpl": "restore.plugins.manager",
    "inpaint": "restore.shortcuts",
    "jpeg": "restore.shortcuts",
    "solve": "restore.solver",
    "super_resolution": "restore.shortcuts",
}
__all__ = [
    "Event",
    "Problem",
    "RestoreError",
    "Restorer",
    "Result",
    "RunOptions",
    "Task",
    "auto",
    "colorize",
    "deblur",
    "denoise",
    "diagnose",
    "hookimpl",
    "inpaint",
    "jpeg",
    "solve",
    "super_resolution",
]
__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
