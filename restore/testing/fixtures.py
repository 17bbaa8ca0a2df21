"""Fixtures for pytest: `pytest_plugins = ["restore.testing.fixtures"]` in a conftest.py.

- `plugin_manager`: a function; of modules with hooks it makes what the toolkit knows then: these and its own, and no other
  plugin that happens to be installed.
- `tiny_prior`: a prior in closed form, which costs nothing.
- `sample_pictures`: small arrays by name: colour, gray, transparent, 16 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from restore.plugins import manager, selection
from restore.testing.priors import White
from restore.testing.tasks import sample_pictures as made


@pytest.fixture
def plugin_manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., manager.Plugins]]:
    """`plugin_manager(my_module)` loads modules as if they were installed, for this test alone.

    Raises: AssertionError for a module that the toolkit cannot load, with the reason.
    """
    own = [entry for entry in selection.entries() if entry.dist is not None and entry.dist.name == selection.BUILT_IN]

    def known(*modules: ModuleType) -> manager.Plugins:
        entries: list[Any] = [*own, *(_entry(module) for module in modules)]
        monkeypatch.delenv(selection.SELECTION, raising=False)
        monkeypatch.setattr(manager, "entries", lambda: entries)
        manager.load.cache_clear()
        found = manager.load()
        for record in found.records:
            assert not record.error, f"{record.name}: {record.error}"
        return found

    yield known
    monkeypatch.undo()
    manager.load.cache_clear()


def _entry(module: ModuleType) -> Any:
    """What an entry point is to the manager."""
    name = module.__name__
    return SimpleNamespace(name=name, dist=SimpleNamespace(name=name.replace("_", "-"), version="0"), load=lambda: module)


@pytest.fixture
def tiny_prior() -> White:
    return White(3)


@pytest.fixture
def sample_pictures() -> dict[str, np.ndarray]:
    return made()
