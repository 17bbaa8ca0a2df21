"""What became of one picture of a command line, and how it is printed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from restore.cli.console import spelled
from restore.device.memory import spell


@dataclass(frozen=True)
class Outcome:
    """The outcome for one picture, as --json prints it.

    Attributes:
        status: done, unchanged (the result is the input), planned, skipped, inconsistent or failed.
        seconds: from reading the picture to writing the result, without loading the prior.
        frames: restored, of a file with several frames or pages; 1 for a still picture, None if nothing was restored.
        code: the exit code for this picture alone.
        estimate: the estimated cost, for --plan.
    """

    input: str
    output: str
    task: str
    status: str
    seed: int
    seconds: float = 0.0
    consistency: float | None = None
    answer: str | None = None
    frames: int | None = None
    uncertainty: str | None = None
    contact_sheet: str | None = None
    mask: str | None = None
    error: str | None = None
    code: int = 0
    estimate: dict[str, Any] | None = None

    def print(self, *, as_json: bool) -> None:
        """Print the result's path or the estimate, or a JSON object for every picture."""
        if as_json:
            left_out = {"code"} if self.estimate is not None else {"code", "estimate"}
            told = {name: value for name, value in asdict(self).items() if name not in left_out}
            print(json.dumps(told), flush=True)
        elif self.estimate is not None:
            print(f"{spelled(self.input)}: {_in_words(self.estimate)}", flush=True)
        elif self.status in ("done", "unchanged", "planned") and self.output != "-":
            print(spelled(self.output), flush=True)


def _in_words(estimate: dict[str, Any]) -> str:
    windows = " and ".join(f"{count} of {width}x{height}" for count, width, height in estimate["windows"]) or "none"
    seconds = estimate["seconds"]
    length = f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
    roughly = "roughly " if estimate["coarse"] else ""
    picture, window, peak = (spell(estimate[name]) for name in ("picture", "window", "peak"))
    return (
        f"{estimate['width']}x{estimate['height']} pixels; windows: {windows}; transitions: {estimate['transitions']}; "
        f"evaluations: {estimate['evaluations']}; memory: {roughly}{picture} for the picture, {window} for windows, "
        f"{peak} in all; "
        f"time: about {length}"
    )
