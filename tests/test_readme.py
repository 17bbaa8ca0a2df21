"""The README's words work as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
from photographs import SAMPLES, crop

from restore.cli import main

README = (SAMPLES.parent / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files the README speaks of."""
    monkeypatch.chdir(tmp_path)
    picture = crop("chelsea", 100, 140, 32)
    mask = np.zeros((32, 32), np.uint8)
    mask[14:17, 4:26] = 255
    strokes = np.dstack([picture, np.where(mask > 0, 255, 0)])
    for name, pixels in (("img", picture[..., ::-1]), ("m", mask), ("strokes", strokes.astype(np.uint8))):
        cv2.imwrite(f"{name}.png", pixels)
    return tmp_path


@pytest.mark.bfloat16
def test_the_commands_work(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    commands = [line.split("#")[0] for block in blocks("") for line in block.splitlines() if line.startswith("restore ")]
    pictures = [line for line in commands if "img.png" in line and "my-prior" not in line]
    assert [line.split()[1] for line in pictures] == ["inpaint", "super-resolution", "denoise", "colorize", "auto"]
    for line in pictures:
        assert main(shlex.split(line)[1:]) == 0, capfd.readouterr().err
        assert Path(capfd.readouterr().out.strip()).is_file()


def test_python_works(place: Path) -> None:
    image, mask = crop("chelsea", 100, 140, 32), cv2.imread("m.png", cv2.IMREAD_GRAYSCALE)
    names = {"image": image, "mask": mask}
    for block in blocks("python"):
        exec(compile(block.replace("samples=8", "samples=2, steps=3"), "README.md", "exec"), names)
    assert names["filled"].shape == image.shape
    assert (place / "out.png").is_file()


def test_what_the_readme_points_at_is_there() -> None:
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target]
    assert len(targets) >= 6
    missing = [target for target in targets if not (SAMPLES.parent / target).exists()]
    assert not missing
