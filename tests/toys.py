"""Toy tasks and a toy prior for tests of the command line, and a few words to drive it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from restore.plugins import manager as plugins

# The smallest model folder of our own kind.
OWN = {
    "family": "edm",
    "network": {"type": "residual-unet", "channels": 3, "widths": [8, 16], "blocks": 1, "patch": 2},
    "prior": {"sigma_data": 0.5},
}
TOYS = """
from restore.errors import OutOfMemoryError, PictureError, UsageError

@dataclass
class Patch:
    mask: Any = field(default=None, metadata={"picture": True, "help": "white is filled"})

class Patcher(Task):
    name, help, Options = "patch", "Fill what a mask marks.", Patch
    def problem(self, picture, options):
        from restore.images import read_mask
        from restore.operators import Mask
        from restore.problem import Problem
        if options.mask is None:
            raise UsageError("patch needs a mask: --mask FILE")
        keep = ~read_mask(options.mask, picture.size)
        return Problem(y=keep * picture.pixels, operator=Mask(keep), sigma_y=0.0, shape=tuple(picture.pixels.shape))

@dataclass
class Mood:
    mood: str = field(default="good", metadata={"choices": ["good", "bug", "memory", "usage", "spoilt"]})

class Soften(Task):
    name, help, Options = "soften", "Take out a little noise.", Mood
    def problem(self, picture, options):
        from restore.operators import Identity
        from restore.problem import Problem
        if options.mood == "bug":
            raise RuntimeError("shapes do\\n not fit")
        if options.mood == "memory":
            raise OutOfMemoryError("not enough memory for this picture; give a smaller --tile")
        if options.mood == "usage":
            raise UsageError("soften cannot be used today")
        return Problem(y=picture.pixels, operator=Identity(), sigma_y=0.1, shape=tuple(picture.pixels.shape))
    def finish(self, picture, problem, restored, options):
        return picture.with_pixels(-picture.pixels if options.mood == "spoilt" else restored)

@hookimpl
def restore_tasks():
    return [Patcher(), Soften()]

@hookimpl
def restore_priors():
    return {"toy": load}

def load(name, *, dtype, local_files_only):
    import sys, time
    from restore.priors import Prior
    class Toy(Prior):
        def denoise(self, x, sigma):
            if name == "slow":
                print("at work", file=sys.stderr, flush=True)
                time.sleep(0.2)
            return x / (1 + sigma[:, None, None, None] ** 2)
    return Toy()
"""
TOY = ["--prior", "toy:fast", "--device", "cpu", "--dtype", "float32", "--steps", "2"]


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Ran]


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8))


def truncated(path: Path) -> None:
    picture(path)
    path.write_bytes(path.read_bytes()[:200])


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def process(place: Path, *arguments: str, code: str | None = None) -> subprocess.Popen[str]:
    program = ["-c", code] if code else ["-m", "restore"]
    root_folder = Path(plugins.__file__).parents[2]
    paths = os.pathsep.join([str(place.parent / "site"), str(root_folder)])
    return subprocess.Popen(
        [sys.executable, *program, *arguments],
        cwd=place,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
