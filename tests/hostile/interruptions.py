"""Runs the command in forked processes, with one fault injected in each.

Importing torch takes seconds, a run of the toys a fraction of one. So a server process imports everything once and forks a
child for every run. A fault strikes at a site: the k-th time that the command opens a file below out/ for writing, is half-way
through writing it, renames or removes it, or makes a folder; the k-th time that it opens a file below in/; or the k-th call of
a Python function. So every run can be repeated exactly.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from injection import Fault

from restore.plugins.manager import SELECTION

PATIENCE = 60  # Seconds after which a child counts as hanging and ends by SIGALRM.


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
