"""Where work runs: device, arithmetic, and this process's share of the pictures (Accelerate)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import torch

from restore.device.dtype import fastest
from restore.errors import UsageError

Item = TypeVar("Item")
LONGEST = timedelta(days=30)  # How long one process waits for another.
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Placement:
    """One process of a run.

    Attributes:
        device: where the prior runs.
        dtype: arithmetic of the prior's network.
        index, count: this process's number and how many there are.
        why: how the arithmetic was chosen.
    """

    device: torch.device
    dtype: torch.dtype
    index: int = 0
    count: int = 1
    why: str = field(default="as asked for", compare=False)

    @classmethod
    def current(cls, device: str | None = None, dtype: str | None = None) -> Placement:
        """The placement of this process: as asked for, else as Accelerate's launcher or the machine says.

        Raises: UsageError for a device this machine lacks or an unknown dtype.
        """
        index, count, found = 0, 1, None
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:  # Importing accelerate takes a second; one process needs none of it.
            from accelerate import PartialState

            state = PartialState(cpu=device == "cpu" or not torch.cuda.is_available(), timeout=LONGEST)
            index, count, found = state.process_index, state.num_processes, state.device
        place = torch.device(device) if device and device != "auto" and _known(device) else found or _best_device()
        if dtype not in {None, "auto", *DTYPES}:
            raise UsageError(f"unknown dtype {dtype!r}; known: auto, {', '.join(DTYPES)}")
        if dtype in {None, "auto"}:
            chosen, why = fastest(place)
            return cls(place, chosen, index, count, why)
        return cls(place, DTYPES[str(dtype)], index, count)

    def spelt(self) -> str:
        """In words, for those who want to know."""
        threads = f", {torch.get_num_threads()} threads" if self.device.type == "cpu" else ""
        return f"{self.device}{threads}, {str(self.dtype).removeprefix('torch.')} ({self.why})"

    def share(self, items: Sequence[Item]) -> list[Item]:
        """This process's part of the items: all of them in a plain run."""
        if self.count == 1:
            return list(items)
        from accelerate import PartialState

        if self.index >= len(items):  # Early Accelerate hands the last item to every process too many.
            return []
        with PartialState().split_between_processes(list(items)) as mine:
            return list(mine)

    def wait(self) -> None:
        """Comes back when every process is here. Launchers stop all processes as soon as one ends in failure."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()


def _known(device: str) -> bool:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device {device!r} cannot be used here: {str(error).splitlines()[0]}") from None
    return True


def _best_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps") if torch.backends.mps.is_available() else torch.device("cpu")
