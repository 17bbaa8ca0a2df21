"""The tutorial is typed again, in a fresh environment and an empty folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import cv2
import pytest
from photographs import crop, psnr

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


def test_what_is_typed_works(tmp_path: Path) -> None:
    environment = tmp_path / "env"
    venv.create(environment, with_pip=False, symlinks=os.name != "nt")
    roots = {"base": str(environment), "platbase": str(environment)}
    here = Path(sysconfig.get_path("purelib", vars=roots))
    python = Path(sysconfig.get_path("scripts", vars=roots)) / Path(sys.executable).name
    seen = [f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})", str(ROOT)]
    (here / "seen.pth").write_text("\n".join(seen) + "\n")
    place = tmp_path / "place"
    for name, text in FILES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    truth = crop("coffee", 100, 150, 48)
    lost = truth.copy()
    lost[::3] = 0
    cv2.imwrite(str(place / "photo.png"), lost[..., ::-1])
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
    filled = cv2.imread(str(place / "photo.rows.png"))[..., ::-1]
    assert (filled[1::3] == truth[1::3]).all()
    assert psnr(filled, truth) > psnr(lost, truth) + 10


@pytest.mark.parametrize("name", FILES)
def test_files_are_named_once(name: str) -> None:
    assert TUTORIAL.count(f'title="{name}"') == 1
