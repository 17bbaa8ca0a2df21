"""The sample plugins as a stranger meets them: installed into a fresh environment, run through the command."""

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
SAMPLES = CHECKOUT / "samples"
TASKS = ("anomaly", "dead-columns", "features", "translate")
EVERY = 8


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment that sees this one's packages and this checkout, with the samples installed."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder / "env", with_pip=False, symlinks=os.name != "nt")
    scheme = "nt" if os.name == "nt" else "posix_prefix"
    roots = {"base": str(folder / "env"), "platbase": str(folder / "env")}
    here = Path(sysconfig.get_path("purelib", scheme, roots))
    lines = [f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})", str(CHECKOUT)]
    (here / "seen.pth").write_text("\n".join(lines) + "\n")
    found = Path(sysconfig.get_path("scripts", scheme, roots)) / Path(sys.executable).name
    # Copies: building leaves folders beside the sources.
    leave = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    copies = [shutil.copytree(SAMPLES / f"restore-{task}", folder / task, ignore=leave) for task in TASKS]
    flags = ["--quiet", "--no-build-isolation", "--no-deps", "--no-index", "--disable-pip-version-check"]
    run(Path(sys.executable), "-m", "pip", "--python", str(found), "install", *flags, *map(str, copies), cwd=folder)
    return found


def run(python: Path, *arguments: str, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "RESTORE_PLUGINS")}
    done = subprocess.run(
        [python, *arguments], cwd=cwd, env={**environment, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_they_are_listed(python: Path, tmp_path: Path) -> None:
    records = json.loads(run(python, "-m", "restore", "plugins", "--json", cwd=tmp_path))
    distributions = [f"restore-{task}" for task in TASKS]
    mine = sorted((record for record in records if record["distribution"] in distributions), key=lambda one: one["name"])
    assert [(record["name"], record["state"], record["version"]) for record in mine] == [
        (task, "ok", "0.1.0") for task in TASKS
    ]
    assert not any(record["heavy"] for record in mine)
    shown = run(python, "-m", "restore", "--help", cwd=tmp_path)
    assert all(task in shown for task in TASKS)


def test_dead_columns_fills_the_lost_columns_and_keeps_the_others(python: Path, tmp_path: Path) -> None:
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


def test_anomaly_shows_where_a_smooth_picture_is_rough(python: Path, tmp_path: Path) -> None:
    column = np.mgrid[:48, :48][1]
    given = 128 + 40 * np.sin(column / 9)
    rough = np.zeros((48, 48), bool)
    rough[10:26, 24:40] = True
    given[rough] += np.random.default_rng(0).normal(0, 20, rough.sum())
    cv2.imwrite(str(tmp_path / "img.png"), given.clip(0, 255).round().astype(np.uint8))

    words = ["anomaly", "img.png", "--level", "25", "--steps", "4"]
    assert run(python, "-m", "restore", *words, cwd=tmp_path) == "img.anomaly.png\n"

    found = cv2.imread(str(tmp_path / "img.anomaly.png"), cv2.IMREAD_UNCHANGED)
    assert found.shape == (48, 48)
    assert found[rough].mean() > 2 * found[~rough].mean()


def test_features_tells_two_halves_apart(python: Path, tmp_path: Path) -> None:
    given = np.full((64, 64, 3), (200, 120, 60), np.uint8)
    given[:, 32:] = (40, 90, 180)
    cv2.imwrite(str(tmp_path / "img.png"), given)
    assert run(python, "-m", "restore", "features", "img.png", "--level", "2", cwd=tmp_path) == "img.features.png\n"
    left, right = np.split(cv2.imread(str(tmp_path / "img.features.png")).astype(float), 2, axis=1)
    apart = np.abs(left.mean(axis=(0, 1)) - right.mean(axis=(0, 1)))
    assert apart.max() > 10


def test_translate_from_a_domain_to_itself_changes_little(python: Path, tmp_path: Path) -> None:
    """The bridge is its own inverse, so with one prior at both ends only the solver's error is left."""
    row, column = np.mgrid[:32, :32]
    waves = [128 + 60 * np.sin(column / 9), 128 + 60 * np.cos(row / 7), 100 + 2 * column]
    given = np.stack(waves, axis=2).round().astype(np.uint8)
    cv2.imwrite(str(tmp_path / "img.png"), given)
    words = ["translate", "img.png", "--source", "photo", "--level", "40", "--steps", "12"]
    assert run(python, "-m", "restore", *words, cwd=tmp_path) == "img.translate.png\n"
    found = cv2.imread(str(tmp_path / "img.translate.png")).astype(float)
    assert np.sqrt(np.square(found - given).mean()) < 5


@pytest.mark.slow
def test_their_own_tests_pass(python: Path, tmp_path: Path) -> None:
    folders = [str(SAMPLES / f"restore-{task}" / "tests") for task in TASKS]
    flags = ["-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", str(tmp_path)]
    assert "20 passed" in run(python, "-m", "pytest", *flags, *folders, cwd=tmp_path)
