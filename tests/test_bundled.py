"""Bundled weights: the list of their hashes fits, and a file that is not as released is refused."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from toys import process

from restore import bundled
from restore.diagnosis import scratches
from restore.errors import PriorError
from restore.noise import estimation
from restore.priors.loaders import folder
from restore.priors.loaders.load import BUNDLED

ROOT = Path(__file__).parent.parent / "restore"
NAMES = sorted(bundled.hashes(ROOT))


def flip(path: Path, place: int) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's list and weights, which takes the place of the package."""
    home = tmp_path / "restore"
    for name in (bundled.LIST, *NAMES):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, home / name)
    monkeypatch.setattr(bundled, "PACKAGE", home)
    return home


def test_the_list_names_all_weights_with_their_hashes() -> None:
    assert sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.safetensors")) == NAMES
    assert len(NAMES) == 3
    assert bundled.hashes(ROOT) == {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", [0, 5000, -1])
def test_one_changed_bit_is_refused(package: Path, name: str, place: int) -> None:
    flip(package / name, place)
    for _ in range(2):  # A refusal is not remembered as a pass.
        with pytest.raises(PriorError, match="damaged or changed; install the package again") as caught:
            bundled.check(package / name)
        assert str(caught.value).startswith(f"{package / name}: ")


@pytest.mark.parametrize("name", NAMES)
def test_whole_weights_pass(package: Path, name: str) -> None:
    bundled.check(package / name)


def test_weights_without_a_line_and_missing_files_are_refused(package: Path) -> None:
    shutil.copy(package / NAMES[0], package / "other.safetensors")
    with pytest.raises(PriorError, match="damaged or changed"):
        bundled.check(package / "other.safetensors")
    (package / NAMES[0]).unlink()
    with pytest.raises(PriorError, match="cannot be read; install"):
        bundled.check(package / NAMES[0])
    for content in (b"half a line\nword\n", b"\xff\xfe"):
        (package / bundled.LIST).write_bytes(content)
        with pytest.raises(PriorError):
            bundled.check(package / NAMES[1])
    (package / bundled.LIST).unlink()
    with pytest.raises(PriorError, match="cannot be read; install"):
        bundled.check(package / NAMES[1])


def test_a_persons_own_weights_are_not_looked_at(package: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    shutil.copy(package / NAMES[0], own)
    flip(own, 5000)
    bundled.check(own)


def test_every_loader_of_bundled_weights_checks_them(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(BUNDLED["photo"] / folder.CONFIG, package / "priors/photo")
    homes = {"diagnosis/scratches": scratches, "noise/estimator": estimation}
    for name, module in homes.items():
        path = package / f"{name}.safetensors"
        monkeypatch.setattr(module, "WEIGHTS", path)
        module._network.__wrapped__()
        flip(path, -1)
        bundled._check.cache_clear()  # As in a new process.
        with pytest.raises(PriorError, match="damaged or changed"):
            module._network.__wrapped__()
    folder.load(package / "priors/photo")
    flip(package / "priors/photo" / folder.WEIGHTS, -1)
    bundled._check.cache_clear()
    with pytest.raises(PriorError, match="damaged or changed"):
        folder.load(package / "priors/photo")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("priors/photo/model.safetensors", ["denoise", "img.png", "--sigma", "5", "--steps", "1", "--device", "cpu"]),
        pytest.param(
            "noise/estimator.safetensors", ["denoise", "img.png", "--steps", "1", "--device", "cpu"], marks=pytest.mark.slow
        ),
        pytest.param("diagnosis/scratches.safetensors", ["diagnose", "img.png"], marks=pytest.mark.slow),
    ],
)
def test_the_command_says_so_and_ends_with_3(tmp_path: Path, name: str, command: list[str]) -> None:
    shutil.copytree(ROOT, tmp_path / "site/restore", ignore=shutil.ignore_patterns("__pycache__"))
    flip(tmp_path / "site/restore" / name, -1)
    place = tmp_path / "work"
    place.mkdir()
    assert cv2.imwrite(str(place / "img.png"), np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    run = process(place, *command)
    out, err = run.communicate(timeout=120)
    assert (run.returncode, out) == (3, ""), err
    assert err.splitlines()[-1].endswith("the bundled weights are damaged or changed; install the package again")
    assert "Traceback" not in err
    assert sorted(path.name for path in place.iterdir()) == ["img.png"]
