"""Memory: used and free bytes, sizes in words, and recognising out-of-memory errors. Loads torch only for GPUs."""

from __future__ import annotations

import errno
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from restore.errors import UsageError

if TYPE_CHECKING:
    import torch

UNITS = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
PACKAGES, STACK = 1100 * 10**6, 8 * 2**20  # Bytes of address space to import torch and restore a small picture; of a thread.
KEPT_FREE = 0.1  # Share of free memory that is left to other processes.


def lacks_address_space() -> str | None:
    """What to say, in one line, where a limit (`ulimit -v`) leaves too little for Python's packages; None where it does not.

    Below this OpenBLAS and C++ end the process themselves, with messages of their own. Threads need stacks, one a core.
    """
    try:
        import resource
    except ImportError:  # Windows.
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    least = PACKAGES + STACK * (os.cpu_count() or 1)
    if limit == resource.RLIM_INFINITY or limit >= least:
        return None
    return (
        f"not enough memory: a limit (ulimit -v) leaves {spell(limit)} of address space, and Python's packages take "
        f"{spell(least, up=True)}; raise it"
    )


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether an error means out of memory: Python's, the system's, an accelerator's, or that of torch's CPU allocator."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    said = str(error).lower()
    if isinstance(error, ImportError):  # Of the loader of shared libraries.
        return "failed to map segment" in said or "cannot allocate memory" in said
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    # Of torch's allocators, of C++, and of oneDNN.
    signs = ("can't allocate memory", "defaultcpuallocator", "alloc_cpu.cpp", "bad_alloc", "could not create a primitive\n")
    return isinstance(error, RuntimeError) and any(sign in f"{said}\n" for sign in signs)


def parse(size: str | int) -> int:
    """Bytes of a size such as 500MB, 2GB or 1.5GiB (MB is 10^6 bytes, MiB 2^20), or of a number of bytes.

    Raises: UsageError for anything else.
    """
    if isinstance(size, int) and not isinstance(size, bool) and size > 0:
        return size
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([KMGT]I?)B?\s*", str(size).upper())
    if found is None or float(found[1]) == 0:
        raise UsageError(f"{size!r} is no size of memory; give a number and a unit, such as 500MB, 2GB or 1.5GiB")
    return int(float(found[1]) * UNITS[found[2]])


def spell(size: float, *, up: bool = False) -> str:
    """Bytes in words, such as 350 kB, 350 MB or 2.1 GB, rounded to the nearest, or with `up` upwards."""
    step = 1e8 if size >= 1e9 else 1e6 if size >= 1e6 else 1e3
    size = (math.ceil(size / step) if up else round(size / step)) * step
    return f"{size / 1e9:.1f} GB" if step == 1e8 else f"{size / 1e6:.0f} MB" if step == 1e6 else f"{size / 1e3:.0f} kB"


def used(device: torch.device) -> int:
    """Bytes that this process uses, of a GPU's memory or, for the CPU, of the machine's."""
    if device.type == "cuda":
        import torch

        return int(torch.cuda.memory_allocated(device))
    statm = Path("/proc/self/statm")
    if statm.is_file():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource
    import sys

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def free(device: torch.device) -> int:
    """Bytes that are free for this process."""
    if device.type == "cuda":
        import torch

        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + cached
    return min(_of_machine(), _of_container())


def _of_machine() -> int:
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        found = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo.read_text(), re.MULTILINE)
        if found is not None:
            return int(found[1]) * 1024
    # Other systems do not report available memory: assume half of the total.
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _of_container(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes left below a container's limit (cgroup v2); 2^62 without a limit."""
    try:
        bound = (root / "memory.max").read_text().strip()
        taken = int((root / "memory.current").read_text())
        kept = re.search(r"^inactive_file (\d+)", (root / "memory.stat").read_text(), re.MULTILINE)
    except OSError:
        return 2**62
    return 2**62 if bound == "max" else max(0, int(bound) - taken + (int(kept[1]) if kept else 0))


def room(device: torch.device, bound: int | None = None) -> int:
    """Bytes that a run may still allocate: nine tenths of the free memory, and at most `bound` for the whole process."""
    left = int(free(device) * (1 - KEPT_FREE))
    return left if bound is None else min(left, bound - used(device))
