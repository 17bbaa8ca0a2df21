"""How much memory there is, and how a lack of it shows."""

from __future__ import annotations


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's own, an accelerator's, or that of torch's allocator on the CPU."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and ("can't allocate memory" in said or "defaultcpuallocator" in said)
