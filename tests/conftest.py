"""Fixtures for tests of the command line, and the dtype of the suite."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from distributions import environment, install
from toys import TOYS, Command, Ran, picture

from restore.cli import main
from restore.plugins import manager as plugins

# Values are those of float32, whatever the machine is made for, in this process and those that tests start. Under another
# RESTORE_DTYPE the suite passes too.
os.environ.setdefault("RESTORE_DTYPE", "float32")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Any, Path]]:
    """Pipelines of diffusers and their folders, from functions of `pipelines` and their keywords; each is made once."""
    place = tmp_path_factory.mktemp("pipelines")
    known: dict[str, tuple[Any, Path]] = {}

    def make(build: Callable[..., Any], **changes: Any) -> tuple[Any, Path]:
        name = "-".join([build.__name__, *(f"{key}-{value}" for key, value in changes.items())])
        if name not in known:
            folder = place / name / "model"
            known[name] = build(folder, **changes), folder
        return known[name]

    return make


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with img.png (16x12), where the toys are installed."""
    monkeypatch.setenv(plugins.SELECTION, "restore-toys")
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    picture(folder / "img.png")
    with environment(tmp_path / "site") as site:
        install(site, "restore-toys", TOYS)
        yield folder


@pytest.fixture
def restore(place: Path, capfd: pytest.CaptureFixture[str]) -> Command:
    """The command, run in this process: exit code, stdout, stderr."""

    def run(*arguments: str) -> Ran:
        capfd.readouterr()
        code = main(arguments)
        return Ran(code, *capfd.readouterr())

    return run
