"""How far one small job travels through the code: files, functions, and moves from file to file.

    python -m benchmarks moves [--root FOLDER]

A 96 x 96 inpainting by the default method runs once to import and load, then again under sys.setprofile, as the command and as
a call of a Restorer that is loaded. A move is a call, or the resumption of a generator, whose caller among the project's own
functions is in another file. FOLDER is another checkout to measure, with `restore_plugins` linked to its plugins.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import Any

import cv2
import numpy as np

from benchmarks.harness import arguments

SIDE = 96


class Travel:
    """Counts what runs of the project's own code while it is on."""

    def __init__(self, root: Path) -> None:
        self.places = tuple(str(root / name) for name in ("restore/", "plugins/", "restore_plugins/"))
        self.files: set[str] = set()
        self.functions: set[tuple[str, int]] = set()
        self.moves = 0

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(self.places):
            return
        self.files.add(code.co_filename)
        self.functions.add((code.co_filename, code.co_firstlineno))
        caller = frame.f_back
        while caller is not None and not caller.f_code.co_filename.startswith(self.places):
            caller = caller.f_back
        self.moves += caller is not None and caller.f_code.co_filename != code.co_filename


def travel(root: Path, work: Callable[[], object]) -> Travel:
    """What a second run of some work travels through."""
    work()
    found = Travel(root)
    sys.setprofile(found)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--root", type=Path, default=Path(__file__).parent.parent)
    root = parser.parse_args().root.resolve()
    sys.path.insert(0, str(root))
    import restore
    from restore import cli

    assert Path(restore.__file__).is_relative_to(root), restore.__file__
    picture = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[40:50, 20:70] = 255
    print("| a 96 x 96 inpainting | files | functions | moves |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cv2.imwrite(str(folder / "picture.png"), picture)
        cv2.imwrite(str(folder / "mask.png"), mask)
        words = [str(folder / "picture.png"), "--mask", str(folder / "mask.png"), "-o", str(folder / "out.png")]

        def command() -> None:
            with redirect_stdout(StringIO()):
                assert cli.main(["inpaint", *words, "--overwrite", "--dtype", "float32", "-q"]) == 0

        restorer = restore.Restorer.from_pretrained("photo", device="cpu", dtype="float32")
        for label, work in (("the command", command), ("a call", lambda: restorer("inpaint", picture, mask=mask))):
            found = travel(root, work)
            print(f"| {label} | {len(found.files)} | {len(found.functions)} | {found.moves} |")
