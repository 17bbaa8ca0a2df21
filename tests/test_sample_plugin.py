"""The sample plugin as a stranger meets it: installed into a fresh environment, run through the command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import cv2
import numpy as np
import pytest

CHECKOUT = Path(__file__).parent.parent
SAMPLE = CHECKOUT / "samples" / "restore-dead-columns"
EVERY = 8


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment that sees this one's packages and this checkout, with the sample installed."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder / "env", with_pip=False, symlinks=os.name != "nt")
    scheme = "nt" if os.name == "nt" else "posix_prefix"
    roots = {"base": str(folder / "env"), "platbase": str(folder / "env")}
    here = Path(sysconfig.get_path("purelib", scheme, roots))
    lines = [f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})", str(CHECKOUT)]
    (here / "seen.pth").write_text("\n".join(lines) + "\n")
    found = Path(sysconfig.get_path("scripts", scheme, roots)) / Path(sys.executable).name
    # A copy: building leaves folders beside the sources.
    shutil.copytree(SAMPLE, folder / "sample", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    flags = ["--quiet", "--no-build-isolation", "--no-deps", "--no-index", "--disable-pip-version-check"]
    run(Path(sys.executable), "-m", "pip", "--python", str(found), "install", *flags, str(folder / "sample"), cwd=folder)
    return found


def run(python: Path, *arguments: str, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "RESTORE_PLUGINS")}
    done = subprocess.run(
        [python, *arguments], cwd=cwd, env={**environment, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_listed(python: Path, tmp_path: Path) -> None:
    records = json.loads(run(python, "-m", "restore", "plugins", "--json", cwd=tmp_path))
    mine = [record for record in records if record["distribution"] == "restore-dead-columns"]
    assert [(record["name"], record["state"], record["version"]) for record in mine] == [("dead-columns", "ok", "0.1.0")]
    assert not mine[0]["heavy"]
    assert "dead-columns" in run(python, "-m", "restore", "--help", cwd=tmp_path)


def test_it_fills_the_lost_columns_and_keeps_the_others(python: Path, tmp_path: Path) -> None:
    row, column = np.mgrid[:64, :64]
    waves = [128 + 60 * np.sin(column / 9), 128 + 60 * np.cos(row / 7), 100 + column]
    truth = np.stack(waves, axis=2).round().astype(np.uint8)
    lost = np.arange(64) % EVERY == 0
    given = np.where(lost[None, :, None], 0, truth).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "img.png"), given)

    words = ["dead-columns", "img.png", "--every", str(EVERY), "--steps", "8"]
    assert run(python, "-m", "restore", *words, cwd=tmp_path) == "img.dead-columns.png\n"

    restored = cv2.imread(str(tmp_path / "img.dead-columns.png"))
    assert np.array_equal(restored[:, ~lost], truth[:, ~lost])
    before, after = (np.abs(image[:, lost].astype(float) - truth[:, lost]).mean() for image in (given, restored))
    assert after < before / 4


def test_its_own_test_passes(python: Path, tmp_path: Path) -> None:
    run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(SAMPLE / "tests"), "--rootdir", str(tmp_path), cwd=tmp_path)
