"""Runs the command in forked processes, with one fault injected in each.

Importing torch takes seconds, a run of the toys a fraction of one. So a server process imports everything once and forks a
child for every run. A fault strikes at a site: the k-th time that the command opens a file below out/ for writing, is half-way
through writing it, renames or removes it, or makes a folder; the k-th time that it opens a file below in/; or the k-th call of
a Python function. So every run can be repeated exactly.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from restore.plugins.manager import SELECTION

PATIENCE = 60  # Seconds after which a child counts as hanging and ends by SIGALRM.
WRITES = {"os.rename": 1, "os.remove": 0, "os.mkdir": 0}  # Audit event -> the argument that is the path.


class Ended(NamedTuple):
    """What became of a run.

    Attributes:
        code: exit code, or minus the signal that ended the process.
        counts: how often each kind of site was passed: "write", "read", "call"; empty if the process was killed.
        struck: whether the fault was injected.
    """

    code: int
    out: str
    err: str
    counts: dict[str, int]
    struck: bool


class Server:
    """The parent of all runs."""

    def __init__(self, site: Path) -> None:
        root = Path(__file__).parents[2]
        paths = os.pathsep.join([str(site), str(root)])
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={
                **os.environ,
                "PYTHONPATH": paths,
                "OMP_NUM_THREADS": "1",
                "CUDA_VISIBLE_DEVICES": "",
                SELECTION: "restore-toys",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, place: Path, arguments: list[str], fault: dict[str, Any] | None = None) -> Ended:
        """Run the command in the folder `place`. A fault that stops the process lets a second, undisturbed one pass it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"place": str(place), "arguments": arguments, "fault": fault or {}}) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.communicate()


@contextmanager
def server(site: Path) -> Iterator[Server]:
    """A server that has the plugins of `site`."""
    found = Server(site)
    try:
        yield found
    finally:
        found.close()


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
        import restore_toys
        import torch

        load, left = restore_toys.load, [self.number]

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

        restore_toys.load = loaded
        restore_toys.restore_priors = lambda: {"toy": loaded}

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
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + int(self.value)
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def _child(place: Path, arguments: list[str], fault: dict[str, Any], log: Path) -> int:
    """Run the command in this process, a child of the server; returns its exit code."""
    from restore.cli import main

    signal.alarm(PATIENCE)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell's background jobs ignore it.
    os.chdir(place)
    null = os.open(os.devnull, os.O_RDONLY)
    streams = [os.open(f"{log}-{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for name in ("out", "err")]
    for number, source in enumerate((null, *streams)):
        os.dup2(source, number)
    sys.stdout, sys.stderr = open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    injected = Fault(place, **fault)
    injected.install()
    code = main(arguments)
    sys.setprofile(None)
    sys.stdout.flush()
    injected.kind = ""
    if fault.get("kind") != "memory" and fault.get("kind") != "space":
        Path(f"{log}-sites").write_text(json.dumps({"counts": injected.counts, "struck": injected.struck}))
    return code


def _fork(request: dict[str, Any], log: Path) -> int:
    process = os.fork()
    if process:
        return process
    code = 99
    try:
        code = _child(Path(request["place"]), request["arguments"], request["fault"], log)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _serve(request: dict[str, Any]) -> dict[str, Any]:
    log = Path(request["place"]).with_name(f"{Path(request['place']).name}-log")
    Path(f"{log}-sites").unlink(missing_ok=True)
    process = _fork(request, log)
    _, status = os.waitpid(process, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        second = _fork({**request, "fault": {}}, log.with_name(f"{log.name}-second"))
        _, other = os.waitpid(second, 0)
        os.kill(process, signal.SIGCONT)
        _, status = os.waitpid(process, 0)
        if other != 0:
            status = other
    found = {"counts": {}, "struck": True}
    if Path(f"{log}-sites").exists():
        found = json.loads(Path(f"{log}-sites").read_text())
    out, err = (Path(f"{log}-{name}").read_text(errors="replace") for name in ("out", "err"))
    return {"code": os.waitstatus_to_exitcode(status), "out": out, "err": err, **found}


def _main() -> None:
    import cv2
    import torch

    from restore.cli import main

    torch.set_num_threads(1)
    cv2.setNumThreads(0)  # A child would wait for threads that it does not have.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        request = json.loads(line)
        if request["fault"].get("kind") == "warm up":  # In this process: what it imports, all children have.
            os.dup2(2, 1)
            os.chdir(request["place"])
            answers.write(
                json.dumps({"code": main(request["arguments"]), "out": "", "err": "", "counts": {}, "struck": False}) + "\n"
            )
            continue
        answers.write(json.dumps(_serve(request)) + "\n")


if __name__ == "__main__":
    _main()
