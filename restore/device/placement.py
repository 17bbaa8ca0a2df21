"""The device, the requested dtype, and this process's share of the pictures (Accelerate)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import torch

from restore.device import dtype as dtypes
from restore.errors import UsageError

Item = TypeVar("Item")
LONGEST = timedelta(days=30)  # Timeout of waiting for other processes, whose share of large pictures may take days.


@dataclass(frozen=True)
class Placement:
    """Device, dtype and share of one process of a run.

    Attributes:
        device: where the prior runs.
        dtype: what the prior's network computes in; None if the prior chooses (`Prior.effective_dtype`).
        index, count: this process's index and the number of processes.
        why: the origin of the dtype, for messages.
    """

    device: torch.device
    dtype: torch.dtype | None = None
    index: int = 0
    count: int = 1
    why: str = field(default="as asked for", compare=False)

    @classmethod
    def current(cls, device: str | None = None, dtype: str | None = None) -> Placement:
        """The placement of this process.

        Args:
            device: "cpu", "cuda", "cuda:1", "mps"; "auto" and None for Accelerate's choice, or the machine's best.
            dtype: "float32", "bfloat16", "float16"; "auto" to let the prior choose; None for RESTORE_DTYPE, or "auto".

        Raises: UsageError for a device that this machine lacks, or an unknown dtype.
        """
        asked, why = dtypes.parse(dtype), "as asked for"
        if dtype is None:
            asked, why = dtypes.from_environment(), f"as {dtypes.VARIABLE} says"
        index, count, found = 0, 1, None
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:  # Importing accelerate takes a second; one process does not need it.
            from accelerate import PartialState

            state = PartialState(cpu=device == "cpu" or not torch.cuda.is_available(), timeout=LONGEST)
            index, count, found = state.process_index, state.num_processes, state.device
        place = torch.device(device) if device and device != "auto" and _known(device) else found or _best_device()
        return cls(place, asked, index, count, why)

    def describe(self, dtype: torch.dtype) -> str:
        """The device, the threads of a CPU, and the dtype of the prior's network with the reason for it, in words for -v."""
        threads = f", {torch.get_num_threads()} threads" if self.device.type == "cpu" else ""
        return f"{self.device}{threads}, {str(dtype).removeprefix('torch.')} ({self._reason(dtype)})"

    def _reason(self, dtype: torch.dtype) -> str:
        unit = dtypes.bfloat16_unit(self.device)
        if self.dtype is not None:
            return self.why if dtype is self.dtype else "the prior's own"
        if not unit:
            return "no bfloat16 in hardware"
        return unit if dtype is torch.bfloat16 else "this prior would lose too much in bfloat16"

    def share(self, items: Sequence[Item]) -> list[Item]:
        """This process's part of the items; all of them if there is only one process."""
        if self.count == 1:
            return list(items)
        from accelerate import PartialState

        if self.index >= len(items):  # Old versions of Accelerate give the last item to every surplus process.
            return []
        with PartialState().split_between_processes(list(items)) as mine:
            return list(mine)

    def gather(self, items: Sequence[Item]) -> list[Item]:
        """The items of all processes, in each of them.

        Waits until every process gets here: launchers stop all processes as soon as one fails.
        """
        if self.count == 1:
            return list(items)
        from accelerate.utils import gather_object

        everyone: list[Item] = gather_object(list(items))
        return everyone


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
