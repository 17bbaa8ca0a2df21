"""Fixtures for tests of the command line, and the dtype of the suite."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributions import environment, install
from toys import TOYS, Command, Ran, picture

from restore.cli import main
from restore.plugins import manager as plugins

# Values are those of float32, whatever the machine is made for, in this process and those that tests start. Under another
# RESTORE_DTYPE the suite passes too.
os.environ.setdefault("RESTORE_DTYPE", "float32")


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
