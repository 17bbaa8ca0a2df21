"""What a pickle would do, found out from its opcodes, without doing it.

`torch.load(weights_only=True)` runs no foreign code, but it hashes the keys of dicts, and prints what it does not expect. A
tuple that holds another one twice, which holds another one twice, and so on, is a short file and takes ages to hash; so does a
list to print.
"""

from __future__ import annotations

import io
import mmap
import pickletools
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

ZIP = b"PK\x03\x04"
LEGACY = 5  # Pickles in a row in files of torch before 1.6: a number, a version, of the system, the value, names of storages.
KNOWN = ("torch", "collections ", "_codecs ")  # Modules of what files of tensors name.
LARGEST_TUPLE = 1000  # Parts, with those of tuples in it; tensors are described by tuples of about ten.


class _Value(NamedTuple):
    """What matters of a value on the pickle's stack.

    Attributes:
        parts: 1, and those of what it holds if it is a tuple.
        plain: it is no list, dict or object, nor a tuple that holds one.
        called: it is the name of a class or function.
    """

    parts: int
    plain: bool
    called: bool = False


class UnfitError(ValueError):
    """A pickle that torch would not finish with, or would fail at."""


def check(path: Path) -> None:
    """Check the pickles of a file that torch.save wrote.

    Raises: UnfitError, or any error of zipfile and pickletools for a damaged file; OSError.
    """
    with path.open("rb") as file:
        start = file.read(len(ZIP))
        file.seek(0)
        if start == ZIP:
            _check_zip(file)
            return
        if _is_tar(path):  # Of torch before 0.1.10, in 2017.
            raise UnfitError("a tar file")
        # A file that says of itself how long its parts are is not believed: a map ends where the file does.
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for _ in range(LEGACY):
                if content.tell() < len(content):
                    _check_pickle(content)


def _check_zip(file: BinaryIO) -> None:
    with zipfile.ZipFile(file) as parts:
        for part in parts.infolist():
            if part.filename.endswith(".pkl"):
                _check_pickle(io.BytesIO(parts.read(part)))


def _is_tar(path: Path) -> bool:
    try:
        with tarfile.open(path, "r:"):
            return True
    except (tarfile.TarError, ValueError, OSError):
        return False


def _check_pickle(file: Any) -> None:
    """Follow one pickle up to its end; the stack holds what matters of each value."""
    stack: list[_Value] = []
    marks: list[int] = []
    memo: dict[Any, _Value] = {}
    foreign = ""  # The first name of foreign code: at it torch stops, and says so.
    for operation, argument, _ in pickletools.genops(file):
        name = operation.name
        if name == "MARK":
            marks.append(len(stack))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        else:
            if name == "GLOBAL" and not str(argument).startswith(KNOWN):
                foreign = foreign or str(argument).replace(" ", ".")
            taken = _take(stack, marks, operation.stack_before)
            try:
                stack += _given(name, argument, taken, len(operation.stack_after))
            except UnfitError as error:
                raise UnfitError(f"GLOBAL {foreign}" if foreign else str(error)) from None


def _take(stack: list[_Value], marks: list[int], before: list[pickletools.StackObject]) -> list[_Value]:
    """Take from the stack what an operation does."""
    marked = pickletools.markobject in before
    start = marks.pop() - before.index(pickletools.markobject) if marked else len(stack) - len(before)
    if start < 0:
        raise UnfitError("an empty stack")
    taken = stack[start:]
    del stack[start:]
    return taken


def _given(name: str, argument: object, taken: list[_Value], count: int) -> Iterator[_Value]:
    """What an operation leaves on the stack."""
    if name in ("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"):
        parts = 1 + sum(value.parts for value in taken)
        if parts > LARGEST_TUPLE:
            raise UnfitError("a tuple of many parts")
        yield _Value(parts, all(value.plain for value in taken))
        return
    if name in ("REDUCE", "NEWOBJ") and not taken[0].called:
        raise UnfitError("a call of what is no function")
    if name == "BINPERSID" and not taken[0].plain:
        raise UnfitError("a storage that is described by a container")
    if name == "GLOBAL" and str(argument).endswith(" bytearray"):
        raise UnfitError("bytes of any length")
    for _ in range(count):
        yield _Value(1, plain=not taken and not name.startswith("EMPTY_"), called=name in ("GLOBAL", "STACK_GLOBAL"))
