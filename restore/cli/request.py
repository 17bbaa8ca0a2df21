"""What a person asked for, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from restore.task import Task


@dataclass(frozen=True)
class Request:
    """One command line of a task.

    Attributes:
        out: as written: a slash at the end says that it is a folder.
        name: what noise is drawn for, where it is not the input's relative path (a rerun).
        prior_hash: of the prior that made the result which is made again.
    """

    task: Task
    inputs: tuple[Path, ...]
    options: Mapping[str, Any]
    out: str | None = None
    seed: int = 0
    steps: int | None = None
    guidance: str | None = None
    prior: str = "photo"
    samples: int = 1
    answer: str | None = None
    quality: Literal["fast", "balanced", "best"] = "balanced"
    fidelity: float | None = None
    early_exit: float | None = None
    uncertainty: str | None = None
    contact_sheet: str | None = None
    device: str | None = None
    dtype: str | None = None
    tile: int | None = None
    max_memory: str | None = None
    compile: Literal["auto", "on", "off"] = "auto"
    metadata: Literal["keep", "strip"] = "keep"
    overwrite: bool = False
    record: bool = False
    strict: bool = False
    dry_run: bool = False
    plan: bool = False
    json: bool = False
    name: str | None = None
    prior_hash: str | None = None

    def repeatable(self) -> dict[str, Any]:
        """What a record needs besides what the result itself records, to ask for the same again."""
        names = ("prior", "guidance", "steps", "quality", "samples", "answer", "fidelity", "early_exit", "tile", "metadata")
        return {name: getattr(self, name) for name in names}
