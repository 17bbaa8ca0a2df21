"""PngSuite and Pillow's own test pictures: each is read and restored, or refused in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import foreign
import pytest
from test_referees import MISSING, compare_with_pypng
from toys import TOY, Command

from restore.errors import PictureError
from restore.images.reading import decode

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["pngsuite", "pillow_tests"])
def pictures(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return getattr(foreign, request.param)(tmp_path_factory.mktemp(request.param))


def test_every_file_is_read_or_refused_in_one_line(pictures: Path) -> None:
    found = foreign.survey(pictures)
    print(f"{pictures.name}: {found}")
    assert found["read"] >= 25


def test_the_command_restores_or_refuses_every_file(pictures: Path, place: Path, restore: Command) -> None:
    for index, path in enumerate(sorted(pictures.rglob("*"))):
        if path.is_file() and path.stat().st_size < 200_000:
            (place / "in").mkdir(exist_ok=True)
            shutil.copy(path, place / "in" / f"{index}-{path.name}")
    ran = restore("soften", "in", "-o", "out/", "--frames", "all", "--max-pixels", "300000", *TOY)
    assert ran.code in (0, 1)
    assert "bug" not in ran.err
    assert "Traceback" not in ran.err
    results = len(list((place / "out").rglob("*.*")))
    print(f"{pictures.name}: {results} restored, {ran.err.count('error: ')} refused")
    assert results >= 25


def test_pypng_finds_the_same_in_pngsuite(tmp_path: Path) -> None:
    png = pytest.importorskip("png", reason=MISSING.format("pypng"))
    same = 0
    for path in sorted(foreign.pngsuite(tmp_path).glob("*.png")):
        data = path.read_bytes()
        try:
            decode(data, path.name)
        except PictureError:
            with pytest.raises(Exception):  # noqa: B017, PT011  # pypng has errors of many types.
                list(png.Reader(bytes=data).asDirect()[2])
            continue
        compare_with_pypng(png, path.name, data)
        same += 1
    print(f"{same} files of PngSuite are the same to pypng")
    assert same >= 25
