"""restore: pictures restored with diffusion models.

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
    from restore.restorer import Restorer
    from restore.results.result import Result
    from restore.shortcuts import colorize, denoise, inpaint, super_resolution
    from restore.task import Task

_HOMES = {
    "RestoreError": "restore.errors",
    "Restorer": "restore.restorer",
    "Result": "restore.results.result",
    "Task": "restore.task",
    "colorize": "restore.shortcuts",
    "denoise": "restore.shortcuts",
    "hookimpl": "restore.plugins.manager",
    "inpaint": "restore.shortcuts",
    "super_resolution": "restore.shortcuts",
}
__all__ = [
    "RestoreError",
    "Restorer",
    "Result",
    "Task",
    "colorize",
    "denoise",
    "hookimpl",
    "inpaint",
    "super_resolution",
]
__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
