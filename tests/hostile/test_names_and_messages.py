"""Names with line breaks or bytes that are no UTF-8, and what is said of files with many frames: one line each."""

import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toys import TOY, Command, picture

from restore import images
from restore.cli import console


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a b.png", "a b.png"),
        ("a\nb.png", r"$'a\nb.png'"),
        ("it's\t\\.png", r"$'it\'s\t\\.png'"),
        ("\x1b[2J.png", r"$'\x1b[2J.png'"),
        ("\udcffe.png", r"$'\xffe.png'"),
        ("\u2028.png", r"$'\u2028.png'"),
    ],
    ids=ascii,  # Other workers of pytest-xdist take no surrogates.
)
def test_a_path_is_one_line(name: str, said: str) -> None:
    assert console.spelled(name) == said


@pytest.mark.parametrize("name", ["a\nb.png", "\udcff.png"], ids=ascii)
def test_odd_names_take_one_line_and_json_has_them_exactly(
    name: str, place: Path, restore: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest keeps what is logged, and its workers cannot hand on a surrogate.
    monkeypatch.setattr(logging.getLogger("restore"), "propagate", False)
    os.rename("img.png", name)
    out = f"{name[:-4]}.soften.png"
    ran = restore("soften", name, *TOY)
    assert (ran.code, ran.out) == (0, console.spelled(out) + "\n")
    again = restore("soften", name, *TOY, "--json", "--overwrite")
    assert json.loads(again.out)["output"] == out
    assert Path(out).is_file()
    Path(out).unlink()
    (place / name).write_bytes(b"no picture")
    ran = restore("soften", name, *TOY)
    assert ran.code == 1
    assert ran.err.count("\n") == 1


def test_a_name_with_a_line_break_is_a_line_of_diagnose(place: Path, restore: Command) -> None:
    picture(place / "a\nb.png")
    ran = restore("diagnose", "a\nb.png")
    assert ran.code == 0
    assert ran.out.startswith(r"$'a\nb.png': ")
    assert ran.out.count("\n") == 1


def noisy(count: int = 4) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(90, 160, (48, 64, 3), np.uint8)) for _ in range(count)]


@pytest.mark.parametrize("loud", [False, True])
def test_what_holds_for_many_frames_is_said_once(loud: bool, place: Path, restore: Command) -> None:
    first, *others = noisy()
    first.save("a.gif", save_all=True, append_images=others)
    ran = restore("denoise", "a.gif", "--frames", "all", *TOY, *(["-v"] if loud else []))
    assert ran.code == 0, ran.err
    assert ran.err.count("noise estimated") == (4 if loud else 1)


def test_frames_without_transparency_stay_so(tmp_path: Path) -> None:
    first, *others = [noisy(1)[0].copy() for _ in range(3)]
    others[0].putpixel((3, 3), (255, 0, 0))  # The others repeat the first one.
    path, copy = tmp_path / "a.webp", tmp_path / "b.webp"
    first.save(path, save_all=True, append_images=others, lossless=True, kmax=1)
    data = path.read_bytes()
    file = images.frames.Frames(copy, data, "a.webp")
    for page in (1, 2, 3):
        file.add(images.read(path, page=page))
    file.write()
    with Image.open(copy) as image:
        for index, frame in enumerate([first, *others]):
            image.seek(index)
            assert image.mode == "RGB"
            assert np.array_equal(np.asarray(image), np.asarray(frame))
