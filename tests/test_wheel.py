"""The wheel, installed in a fresh environment, has all that the command needs: plugins, weights, templates, types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import cv2
import pytest
from photographs import crop

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel, that sees the packages of this one behind its own."""
    place = tmp_path_factory.mktemp("wheel")
    build = ["wheel", str(ROOT), "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(place / "dist")]
    subprocess.run([*PIP, *build], check=True, cwd=place, env=without_this_checkout())
    (wheel,) = (place / "dist").glob("*.whl")
    environment = place / "env"
    venv.create(environment, with_pip=False, symlinks=os.name != "nt")
    roots = {"base": str(environment), "platbase": str(environment)}
    here = Path(sysconfig.get_path("purelib", vars=roots))
    found = Path(sysconfig.get_path("scripts", vars=roots)) / Path(sys.executable).name
    install = ["--python", str(found), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*PIP, *install], check=True, cwd=place, env=without_this_checkout())
    (here / "zz-seen.pth").write_text(
        sysconfig.get_path("purelib") + "\n"
    )  # A plain path: finders of this checkout are not run.
    return found


def without_this_checkout() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RESTORE_PLUGINS")}


def run(python: Path, *words: str, where: Path) -> str:
    done = subprocess.run([str(python), *words], cwd=where, env=without_this_checkout(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_the_wheel_that_runs(python: Path, tmp_path: Path) -> None:
    assert Path(run(python, "-c", "import restore; print(restore.__file__)", where=tmp_path).strip()).is_relative_to(
        python.parent.parent
    )
    shown = json.loads(run(python, "-m", "restore", "plugins", "--json", where=tmp_path))
    own = [one for one in shown if one["distribution"] == "diffusion-restore"]
    assert {one["state"] for one in own} == {"ok"}
    assert len({one["name"] for one in own}) >= 11


def test_it_restores_and_diagnoses_outside_the_checkout(python: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "img.png"), crop("chelsea", 100, 140, 48)[..., ::-1])
    assert run(python, "-m", "restore", "denoise", "img.png", where=tmp_path) == "img.denoise.png\n"
    assert (tmp_path / "img.denoise.png").is_file()
    assert run(python, "-m", "restore", "diagnose", "img.png", where=tmp_path)
    assert "photo" in run(python, "-m", "restore", "models", "list", where=tmp_path)
    assert run(python, "-m", "restore", "models", "info", "photo", where=tmp_path)


def test_it_has_templates_types_and_the_hashes_of_its_weights(python: Path, tmp_path: Path) -> None:
    run(python, "-m", "restore", "plugins", "new", "restore-mine", where=tmp_path)
    assert (tmp_path / "restore-mine" / "pyproject.toml").is_file()
    folder = Path(run(python, "-c", "import restore; print(restore.__path__[0])", where=tmp_path).strip())
    assert {"py.typed", "weights.sha256"} <= {path.name for path in folder.iterdir()}
    modules = {path.relative_to(ROOT / "restore") for path in (ROOT / "restore").rglob("*.py")}
    assert {path for path in modules if not (folder / path).is_file()} == set()
