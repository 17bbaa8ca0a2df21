"""Large pictures by the command line, in a process of its own: time, and peak memory, and what was said beforehand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import Row, verdict
from benchmarks.metrics import psnr
from benchmarks.pictures import noisy, photograph, read, scratch, write
from benchmarks.speed.engine import SIGMA
from benchmarks.speed.sections import Cell, Found, Section, Setting, command

SIZES = {12: (3000, 4000), 50: (6144, 8192)}  # Megapixels: height and width.
SCRATCH_BAR, DENOISE_BAR, PLAN_BAR = 60.0, 2.5e9, 0.25
LOCAL, ACROSS = "inpaint, a local scratch", "inpaint, corner to corner"


def large(setting: Setting, cell: Cell) -> Found:
    """One photograph, with noise or with a scratch of 9 pixels: across a fifth of the width, or from corner to corner."""
    height, width = SIZES[cell["megapixels"]]
    clean, given, out = (setting.work / f"{name}.png" for name in ("clean", "given", "out"))
    write(clean, picture := photograph(setting.data, height, width))
    if cell["what"] == "denoise":
        write(given, noisy(picture, SIGMA))
        words: list[str | Path] = ["denoise", given, "--sigma", str(SIGMA)]
    else:
        local = (height // 3, width // 3), (height // 2, width // 3 + width // 5)
        write(given, scratch(height, width, *(local if cell["what"] == LOCAL else ((0, 0), (height - 1, width - 1)))))
        words = ["inpaint", clean, "--mask", given]
    planned = command(setting, *words, *cell["flags"], "--plan")["out"]["estimate"]
    ran = command(setting, *words, *cell["flags"], "-o", out, "--overwrite")
    return {
        **{name: ran[name] for name in ("wall", "process", "peak")},
        "seconds": ran["out"]["seconds"],
        **{name: planned[name] for name in ("evaluations", "windows")},
        **{f"planned {name}": planned[name] for name in ("peak", "seconds")},
        "psnr": psnr(read(out), picture, None if cell["what"] == "denoise" else read(given)[..., 0]),
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
    lambda _: [
        *({"what": what, "megapixels": 12, "flags": []} for what in (LOCAL, ACROSS, "denoise")),
        {"what": ACROSS, "megapixels": 12, "flags": ["--quality", "fast"]},
        {"what": "denoise", "megapixels": 50, "flags": ["--max-memory", "3GB"]},
    ],
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
