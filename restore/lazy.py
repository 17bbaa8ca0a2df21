"""Names of a package that are imported when first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A module-level `__getattr__` that finds names in the modules that hold them.

    Args:
        package: name of the package the function is for.
        homes: name -> module.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807 - this is what modules call it
        if name in homes:
            return getattr(import_module(homes[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return __getattr__
