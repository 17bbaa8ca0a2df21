"""The tutorial is typed again, in an empty folder; in the slow set its package is installed in a fresh environment, too."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from distributions import environment, install
from photographs import crop, psnr

from restore.cli import main
from restore.testing import White

ROOT = Path(__file__).parent.parent
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
FILES = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', TUTORIAL, re.MULTILINE | re.DOTALL))
PIP = ["--quiet", "--no-build-isolation", "--no-deps", "--no-index", "--disable-pip-version-check"]


def typed() -> list[tuple[str, str]]:
    """The commands, with what they print."""
    (block,) = re.findall(r"^```console\n(.*?)^```", TUTORIAL, re.MULTILINE | re.DOTALL)
    return re.findall(r"^\$ (.+)\n((?:[^$].*\n)*)", block, re.MULTILINE)


def test_it_is_as_short_as_it_says() -> None:
    module, method = FILES["restore-rows/restore_rows.py"], FILES["restore-rows/rows_method.py"]
    task = module[: module.index("def lost_rows(")]
    operator = module[module.index("def lost_rows(") : module.index("def halfway(")]
    assert len([line for line in task.splitlines() if line.strip()]) < 25
    assert len(operator.splitlines()) < 25
    assert len(method.splitlines()) < 20


def written(place: Path) -> np.ndarray:
    """The tutorial's files, and its photograph that lost rows; returns the picture before."""
    for name, text in FILES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    truth = crop("coffee", 100, 150, 48)
    lost = truth.copy()
    lost[::3] = 0
    cv2.imwrite(str(place / "photo.png"), lost[..., ::-1])
    return truth


def check_filled(place: Path, truth: np.ndarray) -> None:
    filled, lost = (cv2.imread(str(place / name))[..., ::-1] for name in ("photo.rows.png", "photo.png"))
    assert (filled[1::3] == truth[1::3]).all()
    assert psnr(filled, truth) > psnr(lost, truth) + 10


def test_its_commands_and_tests_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the package as if it were installed, in this process."""
    truth = written(tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    commands = [(shlex.split(line)[1:], printed) for line, printed in typed() if line.startswith("restore ")]
    assert len(commands) == 4
    with environment(tmp_path / "site") as site:
        install(site, "restore-rows", FILES["restore-rows/restore_rows.py"], entry="rows", head="")
        (site / "rows_method.py").write_text(FILES["restore-rows/rows_method.py"])
        for words, printed in commands:
            assert main(words) == 0, capfd.readouterr().err
            assert capfd.readouterr().out == printed
        tests: dict[str, Any] = {}
        exec(compile(FILES["restore-rows/test_rows.py"], "test_rows.py", "exec", dont_inherit=True), tests)
        tests["test_task"]()
        tests["test_operator"]()
        tests["test_method"](White(3))
    check_filled(tmp_path / "place", truth)


@pytest.mark.slow
def test_what_is_typed_works(tmp_path: Path) -> None:
    fresh = tmp_path / "env"
    venv.create(fresh, with_pip=False, symlinks=os.name != "nt")
    roots = {"base": str(fresh), "platbase": str(fresh)}
    here = Path(sysconfig.get_path("purelib", vars=roots))
    python = Path(sysconfig.get_path("scripts", vars=roots)) / Path(sys.executable).name
    seen = [f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})", str(ROOT)]
    (here / "seen.pth").write_text("\n".join(seen) + "\n")
    place = tmp_path / "place"
    truth = written(place)
    words = {
        "pip": [sys.executable, "-m", "pip", "--python", str(python)],
        "python": [str(python)],
        "restore": [str(python), "-m", "restore"],
    }
    for line, printed in typed():
        first, *rest = shlex.split(line)
        more = PIP if first == "pip" else []
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RESTORE_PLUGINS")}
        done = subprocess.run(
            [*words[first], *rest, *more], cwd=place, env={**kept, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        assert printed in done.stdout if first == "restore" else printed.strip() in done.stdout
    check_filled(place, truth)


@pytest.mark.parametrize("name", FILES)
def test_files_are_named_once(name: str) -> None:
    assert TUTORIAL.count(f'title="{name}"') == 1
