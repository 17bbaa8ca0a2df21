"""Picture files that others made to test decoders: where they are, and what becomes of them.

PngSuite (W. van Schaik) and the tests of Pillow are found in folders that RESTORE_PNGSUITE and RESTORE_PILLOW_TESTS name, or in
source packages that pip downloads: pypng's has a part of PngSuite.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import subprocess
import sys
import tarfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

ROOM = 6 * 10**9  # Bytes of address space.
FRAMES = 20  # At most, that are read of a file.
SEVERAL = ("is animated", "has several pages")


def source_of(package: str, folder: Path) -> Path:
    """The unpacked source of a package; skips the test where it cannot be downloaded."""
    words = ["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(folder), package]
    run = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True, timeout=500, check=False)
    found = list(folder.glob("*.tar.gz"))
    if run.returncode != 0 or not found:
        pytest.skip(f"the source of {package} cannot be downloaded; name a folder with its pictures by an environment variable")
    with tarfile.open(found[0]) as archive:
        archive.extractall(folder, filter="data")
    return found[0].with_suffix("").with_suffix("")


def pngsuite(folder: Path) -> Path:
    """A folder with files of PngSuite."""
    if "RESTORE_PNGSUITE" in os.environ:
        return Path(os.environ["RESTORE_PNGSUITE"])
    spec = importlib.util.spec_from_file_location("pngsuite", next(source_of("pypng", folder).rglob("pngsuite.py")))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (folder / "png").mkdir()
    for name, data in module.png.items():
        (folder / "png" / f"{name}.png").write_bytes(data)
    return folder / "png"


def pillow_tests(folder: Path) -> Path:
    """A folder with Pillow's own test pictures."""
    if "RESTORE_PILLOW_TESTS" in os.environ:
        return Path(os.environ["RESTORE_PILLOW_TESTS"])
    return source_of(f"pillow=={version('pillow')}", folder) / "Tests" / "images"


def survey(folder: Path) -> dict[str, int]:
    """How many files below a folder are read and refused, in a process of its own with bounded memory.

    Raises AssertionError if it crashes, or a file ends in anything but a picture or one line.
    """
    code = f"import foreign; foreign.main({str(folder)!r})"
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)


def main(folder: str) -> None:
    import cv2

    cv2.setNumThreads(1)
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
    counts = Counter(outcome(path) for path in sorted(Path(folder).rglob("*")) if path.is_file())
    print(json.dumps({"files": counts.total(), **counts}))


def check_line(path: Path, error: Exception) -> None:
    assert "\n" not in str(error), path


def outcome(path: Path) -> str:
    """ "read", "refused", or for a file with several frames "frames" or "frames refused"."""
    from restore import images
    from restore.errors import RestoreError
    from restore.images.frames import count

    print(path, file=sys.stderr)  # The last one is where it crashed.
    data = path.read_bytes()
    try:
        picture = images.read(path)
        images.to_bytes(Path("a.png"), picture)
        return "read"
    except RestoreError as error:
        check_line(path, error)
        if not any(words in str(error) for words in SEVERAL):
            return "refused"
    try:
        for page in range(1, 1 + min(FRAMES, count(data, path.name))):
            images.read(path, page=page)
    except RestoreError as error:
        check_line(path, error)
        return "frames refused"
    return "frames"
