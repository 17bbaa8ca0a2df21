"""Installed distributions, made up for a test: a module and the metadata that announces it."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from restore.plugins import manager as plugins

HEAD = """
from dataclasses import dataclass, field
from typing import Any, Optional
from restore import Task, hookimpl

@dataclass
class Options:
    strength: int = field(default=3, metadata={"min": 1, "max": 9, "help": "how much"})

def named(word, options=Options):
    class Toy(Task):
        name, help, Options = word, "a toy", options
        def problem(self, picture, options):
            from restore.operators import Identity
            from restore.problem import Problem
            return Problem(y=picture.pixels, operator=Identity(), sigma_y=0.1, shape=tuple(picture.pixels.shape))
    return Toy()
"""


def install(folder: Path, distribution: str, source: str, *, entry: str | None = None, head: str = HEAD) -> None:
    """A distribution of one module under `folder`, announced as a plugin."""
    module = distribution.replace("-", "_")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(head + textwrap.dedent(source))
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[restore]\n{entry or distribution} = {module}\n")
    importlib.invalidate_caches()


@contextmanager
def environment(folder: Path) -> Iterator[Path]:
    """`folder` as a place of installed distributions, and plugins loaded afresh, while inside."""
    folder.mkdir(parents=True, exist_ok=True)
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    plugins.load.cache_clear()
    try:
        yield folder
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]
        plugins.load.cache_clear()
        importlib.invalidate_caches()
