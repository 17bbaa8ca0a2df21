"""Lazy imports: a package's names, imported when first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A module-level `__getattr__` (PEP 562) that imports a name from the module that defines it.

    Args:
        package: the package's `__name__`, for errors.
        homes: name -> module that defines it.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807  # The name that Python looks for.
        if name in homes:
            return getattr(import_module(homes[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return __getattr__
