"""A fault, injected into this process at a site that is found by counting calls."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

WRITES = {"os.rename": 1, "os.remove": 0, "os.mkdir": 0}  # Audit event -> the argument that is the path.


class Fault:
    """Counts sites and strikes at one of them.

    Args:
        place: the folder the command runs in.
        kind: signal, error, vanish, shrink, memory, space, cuda or clock; empty for none.
        at: the kind of site: write, read or call.
        number: of the site, from 1 on.
        value: the signal, error number, bytes left or allowed, or seconds.
        lasting: an error comes at all later sites too.
    """

    def __init__(
        self, place: Path, kind: str = "", at: str = "write", number: int = 1, value: float = 0, lasting: bool = False
    ) -> None:
        self.place, self.kind, self.at, self.number, self.value, self.lasting = place, kind, at, number, value, lasting
        self.counts = {"write": 0, "read": 0, "call": 0}
        self.struck = self._busy = False

    def install(self) -> None:
        sys.addaudithook(self._heard)
        written = Path.write_bytes

        def write_bytes(path: Path, data: bytes) -> int:
            if not self._is_below(path, "out"):
                return written(path, data)
            with path.open("wb") as file:
                file.write(data[: len(data) // 2])
                file.flush()
                self._pass("write", path)
                return len(data) // 2 + file.write(data[len(data) // 2 :])

        Path.write_bytes = write_bytes  # type: ignore[method-assign]
        if self.at == "call":
            sys.setprofile(lambda frame, event, argument: self._pass("call", "") if event == "call" else None)
        if self.kind == "cuda":
            self._simulate_a_full_gpu()
        if self.kind == "clock":
            self._set_the_clock()
        if self.kind in ("memory", "space"):
            self._limit()

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                if self._is_below(path, "out"):
                    self._pass("write", path)
            elif self._is_below(path, "in"):
                self._pass("read", path)
        elif event in WRITES and self._is_below(arguments[WRITES[event]], "out"):
            self._pass("write", arguments[WRITES[event]])

    def _is_below(self, path: Any, folder: str) -> bool:
        if not isinstance(path, str | os.PathLike):
            return False
        full = os.path.abspath(os.fspath(path))
        return full == str(self.place / folder) or full.startswith(f"{self.place / folder}{os.sep}")

    def _pass(self, at: str, path: Any) -> None:
        if self._busy:
            return
        self.counts[at] += 1
        count = self.counts[at]
        if self.kind and at == self.at and (count == self.number or (self.lasting and count > self.number)):
            self._busy = True
            try:
                self._strike(path)
            finally:
                self._busy = False

    def _strike(self, path: Any) -> None:
        self.struck = True
        if self.kind == "signal":
            os.kill(os.getpid(), int(self.value))
        elif self.kind == "error":
            raise OSError(int(self.value), os.strerror(int(self.value)), str(path))
        elif self.kind == "vanish":
            shutil.rmtree(self.place / "out", ignore_errors=True)
        elif self.kind == "shrink":
            os.truncate(path, int(self.value))

    def _simulate_a_full_gpu(self) -> None:
        import torch

        from restore import pretrained

        load, left = pretrained.prior, [self.number]

        def loaded(name: str, **keywords: Any) -> Any:
            prior = load(name, **keywords)
            denoise = prior.denoise

            def full(x: Any, sigma: Any) -> Any:
                left[0] -= 1
                if left[0] == 0 or (self.lasting and left[0] < 0):
                    self.struck = True
                    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
                return denoise(x, sigma)

            type(prior).denoise = lambda self, x, sigma: full(x, sigma)
            return prior

        pretrained.prior = loaded

    def _set_the_clock(self) -> None:
        for name in ("time", "perf_counter", "monotonic"):
            real, calls = getattr(time, name), [0]

            def jumping(real: Any = real, calls: list[int] = calls) -> float:
                calls[0] += 1
                self.struck |= calls[0] >= self.number
                return real() + (self.value if calls[0] >= self.number else 0)

            setattr(time, name, jumping)

    def _limit(self) -> None:
        import resource

        self.struck = True
        if self.kind == "space":  # The largest file, in bytes: writing beyond it is the system's error EFBIG.
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(self.value), resource.RLIM_INFINITY))
            return
        # What C allocates of a kilobyte and more comes from the system each time, or so small a run would find it all in
        # memory that it has.
        ctypes.CDLL(None).mallopt(-3, 1024)  # M_MMAP_THRESHOLD
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + int(self.value)
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
