"""What every section of the measurements has: cells to measure one by one, and a table of what was found."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import Column
from restore import Restorer

Cell = dict[str, Any]  # What to measure, in words and numbers that JSON can hold.
Found = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """Of one run.

    Attributes:
        data: photographs, the larger the better.
        held_out: small pictures that the prior was not trained on.
        work: folder for pictures that other processes read.
        threads: that torch may use.
        quick: a first look.
        lpips: weights of that distance; None for no such figures.
    """

    data: Path
    held_out: Path
    work: Path
    threads: int
    quick: bool
    lpips: Path | None = None

    @cached_property
    def restorer(self) -> Restorer:
        return Restorer.from_pretrained("photo")

    @property
    def repeats(self) -> int:
        return 2 if self.quick else 3


@dataclass(frozen=True)
class Section:
    """One question.

    Attributes:
        name: by which it is selected.
        text: heading and remarks above the table, Markdown.
        cells: what to measure, in order.
        measure: figures of one cell.
        columns: of its table, whose rows are each a cell and what was found.
    """

    name: str
    text: str
    cells: Callable[[Setting], Iterable[Cell]]
    measure: Callable[[Setting, Cell], Found]
    columns: Sequence[Column]


def machine(setting: Setting) -> Found:
    """Where figures come from."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "threads": setting.threads,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "dtype": str(setting.restorer.prior.effective_dtype(setting.restorer.placement.device)).removeprefix("torch."),
        "prior": setting.restorer.prior_hash,
    }


def command(setting: Setting, *words: str | Path) -> Found:
    """`restore WORDS --json` in a process of its own: what it printed as `out`, its `wall` and `process` seconds and its `peak`
    bytes."""
    with tempfile.TemporaryDirectory(dir=setting.work) as folder:
        report = Path(folder) / "report.json"
        restore = [sys.executable, "-m", "restore", *map(str, words), "--json", "--quiet"]
        environment = {**os.environ, "OMP_NUM_THREADS": str(setting.threads)}
        child = [sys.executable, "-S", str(Path(__file__).parent / "child.py"), str(report), *restore]
        ran = subprocess.run(child, env=environment, capture_output=True, text=True)
        if ran.returncode:
            raise SystemExit(f"{' '.join(restore)}\nended with code {ran.returncode}:\n{ran.stderr}")
        return {**json.loads(report.read_text()), "out": json.loads(ran.stdout)}
