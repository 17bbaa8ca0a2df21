"""Large pictures by the command line, in a process of its own: time, and peak memory, and what was said beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.harness import Row, verdict
from benchmarks.metrics import psnr
from benchmarks.pictures import noisy, photograph, read, scratch, write
from benchmarks.speed.engine import SIGMA
from benchmarks.speed.sections import Cell, Found, Section, Setting, command

SIZES = {1: (1000, 1000), 3: (1500, 2000), 12: (3000, 4000), 50: (6144, 8192)}  # Megapixels: height and width.
SCRATCH_BAR, DENOISE_BAR, PLAN_BAR = 60.0, 2.5e9, 0.25


def made(setting: Setting, kind: str, megapixels: int) -> Path:
    """A picture made once, for all cells that read it: clean, grainy, or a scratch of 9 pixels, local (across a fifth of the
    width) or from corner to corner."""
    path = setting.work / f"{kind}-{megapixels}.png"
    height, width = SIZES[megapixels]
    if path.exists():
        return path
    if kind == "local":
        picture = scratch(height, width, (height // 3, width // 3), (height // 2, width // 3 + width // 5))
    elif kind == "across":
        picture = scratch(height, width, (0, 0), (height - 1, width - 1))
    else:
        picture = photograph(setting.data, height, width)
        picture = noisy(picture, SIGMA) if kind == "grainy" else picture
    write(path, picture)
    return path


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
    size, out, clean = cell["megapixels"], setting.work / "out.png", made(setting, "clean", cell["megapixels"])
    words, where = ["denoise", made(setting, "grainy", size), "--sigma", str(SIGMA)], None
    if cell["what"] != "denoise":
        mask = made(setting, "local" if cell["what"].endswith("local scratch") else "across", size)
        words, where = ["inpaint", clean, "--mask", mask], read(mask)[..., 0]
    planned = command(setting, *words, *cell["flags"], "--plan")["out"]["estimate"]
    ran = command(setting, *words, *cell["flags"], "-o", out, "--overwrite")
    return {
        **{name: ran[name] for name in ("wall", "process", "peak")},
        "seconds": ran["out"]["seconds"],
        **{name: planned[name] for name in ("evaluations", "windows")},
        **{f"planned {name}": planned[name] for name in ("peak", "seconds")},
        "psnr": psnr(read(out), read(clean), where),
    }


def seconds_bar(row: Row) -> float | None:
    """Of the whole command; None where nothing was promised."""
    return None if row["what"] == "denoise" else SCRATCH_BAR


def memory_bar(cell: Cell) -> float | None:
    """Bytes that a command may take at most; None where nothing was promised."""
    if "--max-memory" in cell["flags"]:
        return 1e9 * float(cell["flags"][cell["flags"].index("--max-memory") + 1].removesuffix("GB"))
    return DENOISE_BAR if cell["what"] == "denoise" else None


def against(said: float, found: float) -> str:
    """What was said beforehand, as a deviation from what was found."""
    off = said / found - 1
    return f"{100 * off:+.0f} %" if abs(off) <= PLAN_BAR else f"**{100 * off:+.0f} %**"


def promised(bar: Callable[[Row], float | None], form: str, unit: float = 1) -> Callable[[Row], str]:
    return lambda row: "-" if bar(row) is None else form.format(bar(row) / unit)


def kept(bar: Callable[[Row], float | None], name: str) -> Callable[[Row], str]:
    return lambda row: "-" if bar(row) is None else verdict(row[name], bar(row))


LARGE = Section(
    "large",
    "### Large pictures by the command line\n\n"
    "`restore` in a process of its own, from start to finished file; PSNR over filled pixels for `inpaint`. The last two "
    "columns say how far `--plan`, asked just before, was off, the bar being 25 %: peak memory, and the picture's seconds.",
    large_cells,
    large,
    (
        ("command", lambda row: " ".join([row["what"], *row["flags"]])),
        ("megapixels", "{megapixels}"),
        ("windows", lambda row: " and ".join("{} of {}x{}".format(*some) for some in row["windows"])),
        ("evaluations", "{evaluations}"),
        ("PSNR, dB", "{psnr:.1f}"),
        ("seconds", "{wall:.1f}"),
        ("processor seconds", "{process:.1f}"),
        ("bar", promised(seconds_bar, "{:.0f} s")),
        ("met", kept(seconds_bar, "wall")),
        ("peak memory, GB", lambda row: f"{row['peak'] / 1e9:.2f}"),
        ("bar", promised(memory_bar, "{:.1f}", 1e9)),
        ("met", kept(memory_bar, "peak")),
        ("memory planned", lambda row: against(row["planned peak"], row["peak"])),
        ("time planned", lambda row: against(row["planned seconds"], row["seconds"])),
    ),
)


# What peak memory grows with


def memory_cells(setting: Setting) -> Iterator[Cell]:
    sizes = (1, 3) if setting.quick else (1, 3, 12)
    yield from ({"what": "picture", "megapixels": size, "words": ["--steps", "1"]} for size in sizes)
    yield from ({"what": "transitions", "megapixels": 1, "words": ["--steps", str(steps)]} for steps in (2, 8))
    yield from ({"what": "samples", "megapixels": 1, "words": ["--steps", "1", "--samples", str(n)]} for n in (2, 4, 8))


def memory(setting: Setting, cell: Cell) -> Found:
    words = ["denoise", made(setting, "grainy", cell["megapixels"]), "--sigma", str(SIGMA), "--guidance", "denoising-samples"]
    ran = command(setting, *words, *cell["words"], "-o", setting.work / "out.png", "--overwrite")
    return {name: ran[name] for name in ("wall", "peak")}


MEMORY = Section(
    "memory",
    "### What memory grows with\n\n`restore denoise --guidance denoising-samples` with more pixels, transitions and samples.",
    memory_cells,
    memory,
    (
        ("what grows", "{what}"),
        ("megapixels", "{megapixels}"),
        ("flags", lambda row: f"`{' '.join(row['words'])}`"),
        ("peak memory, MB", lambda row: f"{row['peak'] / 1e6:.0f}"),
        ("seconds", "{wall:.1f}"),
    ),
)
