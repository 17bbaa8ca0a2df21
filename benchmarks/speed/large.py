"""Large pictures by the command line, in a process of its own: time, and peak memory, and what was said beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.harness import markdown, verdict
from benchmarks.metrics import psnr
from benchmarks.pictures import Array, noisy, photograph, scratch, write
from benchmarks.speed.engine import SIGMA
from benchmarks.speed.sections import Cell, Found, Section, Setting, command

SIZES = {1: (1000, 1000), 3: (1500, 2000), 12: (3000, 4000), 50: (6144, 8192)}  # Megapixels: height and width.
SCRATCH_BAR, DENOISE_BAR, PLAN_BAR = 60.0, 2.5e9, 0.25


def parse(setting: Setting, megapixels: int, kind: str, make: Callable[[int, int], Array]) -> Path:
    """A picture made once, for all cells that read it."""
    path = setting.work / f"{kind}-{megapixels}.png"
    if not path.exists():
        write(path, make(*SIZES[megapixels]))
    return path


def clean(setting: Setting, megapixels: int) -> Path:
    return parse(setting, megapixels, "clean", lambda height, width: photograph(setting.data, height, width))


def grainy(setting: Setting, megapixels: int) -> Path:
    return parse(setting, megapixels, "grainy", lambda height, width: noisy(photograph(setting.data, height, width), SIGMA))


def scratched(setting: Setting, megapixels: int, where: str) -> Path:
    """A scratch of 9 pixels across a fifth of the width, or from corner to corner."""

    def make(height: int, width: int) -> Array:
        if where == "local":
            return scratch(height, width, (height // 3, width // 3), (height // 2, width // 3 + width // 5))
        return scratch(height, width, (0, 0), (height - 1, width - 1))

    return parse(setting, megapixels, where, make)


# Time and memory


def large_cells(setting: Setting) -> Iterator[Cell]:
    size, extra = (3, ["--quality", "fast"]) if setting.quick else (12, [])
    yield {"what": "inpaint, a local scratch", "megapixels": size, "flags": extra}
    yield {"what": "inpaint, corner to corner", "megapixels": size, "flags": extra}
    yield {"what": "denoise", "megapixels": size, "flags": []}
    if not setting.quick:
        yield {"what": "inpaint, corner to corner", "megapixels": size, "flags": ["--quality", "fast"]}
        yield {"what": "denoise", "megapixels": 50, "flags": ["--max-memory", "3GB"]}


def large(setting: Setting, cell: Cell) -> Found:
    size, out = cell["megapixels"], setting.work / "out.png"
    if cell["what"] == "denoise":
        words = ["denoise", grainy(setting, size), "--sigma", str(SIGMA)]
        where = None
    else:
        mask = scratched(setting, size, "local" if cell["what"].endswith("local scratch") else "across")
        words = ["inpaint", clean(setting, size), "--mask", mask]
        where = _read(mask)[..., 0] > 0
    words += cell["flags"]
    planned = command(setting, *words, "--plan")["out"]["estimate"]
    ran = command(setting, *words, "-o", out, "--overwrite")
    return {
        "wall": ran["wall"],
        "process": ran["process"],
        "peak": ran["peak"],
        "seconds": ran["out"]["seconds"],
        "evaluations": planned["evaluations"],
        "windows": planned["windows"],
        "planned peak": planned["peak"],
        "planned seconds": planned["seconds"],
        "psnr": psnr(_read(out), _read(clean(setting, size)), where),
    }


def _read(path: Path) -> Array:
    found = cv2.imread(str(path))
    assert found is not None, path
    return np.asarray(found, np.uint8)


def large_table(rows: Sequence[tuple[Cell, Found]]) -> str:
    heads = ("command", "megapixels", "windows", "evaluations", "PSNR, dB", "seconds", "processor seconds", "bar", "met")
    heads += ("peak memory, GB", "bar", "met", "memory planned", "time planned")
    lines = []
    for cell, found in rows:
        second = [f"{SCRATCH_BAR:.0f} s", verdict(found["wall"], SCRATCH_BAR)] if cell["what"] != "denoise" else ["-", "-"]
        most = memory_bar(cell)
        gigabytes = [f"{most / 1e9:.1f}", verdict(found["peak"], most)] if most else ["-", "-"]
        name = " ".join([cell["what"], *cell["flags"]])
        windows = " and ".join(f"{count} of {width}x{height}" for count, width, height in found["windows"])
        lines.append(
            [
                *(name, str(cell["megapixels"]), windows, str(found["evaluations"]), f"{found['psnr']:.1f}"),
                *(f"{found['wall']:.1f}", f"{found['process']:.1f}", *second, f"{found['peak'] / 1e9:.2f}", *gigabytes),
                *(against(found["planned peak"], found["peak"]), against(found["planned seconds"], found["seconds"])),
            ]
        )
    return markdown(heads, lines)


def memory_bar(cell: Cell) -> float | None:
    """Bytes that a command may take at most; None where nothing was promised."""
    if "--max-memory" in cell["flags"]:
        return 1e9 * float(cell["flags"][cell["flags"].index("--max-memory") + 1].removesuffix("GB"))
    return DENOISE_BAR if cell["what"] == "denoise" else None


def against(said: float, found: float) -> str:
    """What was said beforehand, as a deviation from what was found."""
    off = said / found - 1
    return f"{100 * off:+.0f} %" if abs(off) <= PLAN_BAR else f"**{100 * off:+.0f} %**"


LARGE = Section(
    "large",
    "### Large pictures by the command line\n\n"
    "`restore` in a process of its own, from start to finished file; PSNR over filled pixels for `inpaint`. The last two "
    "columns say how far `--plan`, asked just before, was off, the bar being 25 %: peak memory, and the picture's seconds.",
    large_cells,
    large,
    large_table,
)


# What peak memory grows with


def memory_cells(setting: Setting) -> Iterator[Cell]:
    sizes = (1, 3) if setting.quick else (1, 3, 12)
    yield from ({"what": "picture", "megapixels": size, "words": ["--steps", "1"]} for size in sizes)
    yield from ({"what": "transitions", "megapixels": 1, "words": ["--steps", str(steps)]} for steps in (2, 8))
    yield from ({"what": "samples", "megapixels": 1, "words": ["--steps", "1", "--samples", str(n)]} for n in (2, 4, 8))


def memory(setting: Setting, cell: Cell) -> Found:
    words = ["denoise", grainy(setting, cell["megapixels"]), "--sigma", SIGMA, "--guidance", "denoising-samples"]
    words = [*map(str, words), *cell["words"], "-o", setting.work / "out.png", "--overwrite"]
    ran = command(setting, *words)
    return {name: ran[name] for name in ("wall", "peak")}


def memory_table(rows: Sequence[tuple[Cell, Found]]) -> str:
    heads = ("what grows", "megapixels", "flags", "peak memory, MB", "seconds")
    return markdown(
        heads,
        [
            [
                *(cell["what"], str(cell["megapixels"]), f"`{' '.join(cell['words'])}`"),
                *(f"{found['peak'] / 1e6:.0f}", f"{found['wall']:.1f}"),
            ]
            for cell, found in rows
        ],
    )


MEMORY = Section(
    "memory",
    "### What memory grows with\n\n`restore denoise --guidance denoising-samples` with more pixels, transitions and samples.",
    memory_cells,
    memory,
    memory_table,
)
