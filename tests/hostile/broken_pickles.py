"""Ways to break a file that torch.save wrote: code in it, containers that are far larger than they look, and damage.

Code would write `CANARY` beside the file.
"""

from __future__ import annotations

import io
import pickle
import random
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

FILE = "unet/diffusion_pytorch_model.bin"
CANARY = "canary"
Spoil = Callable[[Path], None]
LEVELS = 60  # Of containers that hold the one before twice: 2^60 parts.


def cases(rng: random.Random) -> Iterator[tuple[str, Spoil]]:
    """Name, and what is done to the file."""
    for share in sorted(rng.random() for _ in range(15)):
        yield f"cut at {share:.4f}", _cut(share)
    for _ in range(25):
        share, bit = rng.random() * 0.02, rng.randrange(8)
        yield f"bit {bit} of {share:.5f} flipped", _flip(share, bit)
    for place, wrap in {"alone": lambda code: code, "in a state dict": lambda code: {"a": torch.zeros(2), "b": code}}.items():
        for name, call in CODE.items():
            for form in ("zip", "legacy", "pickle"):
                yield f"{name} {place} as {form}", _code(call, wrap, form)
    yield "compressed", _compressed
    for name, program in PROGRAMS.items():
        for form in ("zip", "pickle"):
            yield f"{name} as {form}", _program(program, form)
    yield "a tar whose first name is a pickle", _tar
    for name, value in VALUES.items():
        yield name, _saved(value)


CODE: dict[str, Callable[[str], tuple[Any, ...]]] = {
    "open": lambda canary: (open, (canary, "w")),
    "eval": lambda canary: (eval, (f"open({canary!r}, 'w')",)),
    "a method": lambda canary: (Path.write_text, (Path(canary), "")),
    "torch.save": lambda canary: (torch.save, (1, canary)),
}


TUPLES = b"K\x01\x85q\x00" + b"".join(b"h%ch%c\x86q%c" % (n, n, n + 1) for n in range(LEVELS))
LISTS = b"]q\x00" + b"".join(b"](h%ch%ceq%c" % (n, n, n + 1) for n in range(LEVELS))
LAST = b"h%c" % LEVELS
ORDERED = b"ccollections\nOrderedDict\n"
PROGRAMS: dict[str, bytes] = {
    "a tuple of 2^60 parts as key": b"\x80\x02" + TUPLES + b"}" + LAST + b"K\x01s.",
    "a tuple of 2^60 parts as key of an ordered dict": b"\x80\x02" + TUPLES + ORDERED + b"](" + LAST + b"K\x01\x86e\x85R.",
    "a list of 2^60 parts is called": b"\x80\x02" + LISTS + LAST + b")R.",
    "a list of 2^60 parts makes an object": b"\x80\x02" + LISTS + LAST + b")\x81.",
    "a list of 2^60 parts as storage": b"\x80\x02" + LISTS + LAST + b"\x85Q.",
    "a list of 2^60 parts": b"\x80\x02" + LISTS + LAST + b".",
    "a dict of 2^60 parts": b"\x80\x02" + LISTS + b"}X\x01\x00\x00\x00a" + LAST + b"s.",
    "1e12 bytes": b"\x80\x02cbuiltins\nbytearray\n\x8a\x06\x00\x10\xa5\xd4\xe8\x00\x85R.",
    "nested 100,000 deep": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "tuples 100,000 deep as key": b"\x80\x02}" + b"K\x01" + b"\x85" * 100_000 + b"K\x01s.",
    "a list that holds itself": b"\x80\x02]q\x00h\x00a.",
    "a memo that is not there": b"\x80\x02h\x07.",
    "an empty stack": b"\x80\x02.",
    "a mark too few": b"\x80\x02t.",
    "a long text": b"\x80\x02X\xff\xff\xff\xffabc.",
    "protocol 9": b"\x80\x09].",
}
VALUES: dict[str, Any] = {
    "nothing": None,
    "a number": 3,
    "no tensors": {"a": 1},
    "an empty dict": {},
    "a list of tensors": [torch.zeros(2)],
    "keys that are numbers": {1: torch.zeros(2)},
    "a sparse tensor": {"conv_in.weight": torch.eye(3).to_sparse()},
    "a repeated value": {"conv_in.weight": torch.zeros(1).expand(10**12)},
    "a meta tensor": {"conv_in.weight": torch.empty(10**12, device="meta")},
    "whole numbers": {"conv_in.weight": torch.zeros(3, dtype=torch.int64)},
    "a name of lines": {"more\nlines": torch.zeros(2)},
}


def _cut(share: float) -> Spoil:
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)]) and None


def _flip(share: float, bit: int) -> Spoil:
    """In the pickle, which is the first part of the file."""

    def spoil(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[int(share * len(data))] ^= 1 << bit
        path.write_bytes(data)

    return spoil


class _Called:
    def __init__(self, call: tuple[Any, ...]) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def _code(call: Callable[[str], tuple[Any, ...]], wrap: Callable[[Any], Any], form: str) -> Spoil:
    def spoil(path: Path) -> None:
        value = wrap(_Called(call(str(path.parent / CANARY))))
        if form == "pickle":
            path.write_bytes(pickle.dumps(value, protocol=2))
        else:
            torch.save(value, path, _use_new_zipfile_serialization=form == "zip")

    return spoil


def _compressed(path: Path) -> None:
    with zipfile.ZipFile(path) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in parts.items():
            packed.writestr(name, data)


def _program(program: bytes, form: str) -> Spoil:
    def spoil(path: Path) -> None:
        if form == "zip":
            torch.save({}, path)
            with zipfile.ZipFile(path) as whole:
                parts = {name: whole.read(name) for name in whole.namelist()}
            with zipfile.ZipFile(path, "w") as changed:
                for name, data in parts.items():
                    changed.writestr(name, program if name.endswith("data.pkl") else data)
        else:  # Before 1.6 torch wrote several pickles in a row, of which the fourth is the value.
            old = io.BytesIO()
            torch.save({}, old, _use_new_zipfile_serialization=False)
            start = old.getvalue().index(b"\x80\x02}q\x00.", old.getvalue().index(b"type_sizes"))
            path.write_bytes(old.getvalue()[:start] + program + pickle.dumps([], protocol=2))

    return spoil


def _tar(path: Path) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as parts:
        for name in ("N.N.N.N.N.", "storages", "tensors", "pickle"):
            program = b"\x80\x02" + LISTS + b")R."
            told = tarfile.TarInfo(name)
            told.size = len(program)
            parts.addfile(told, io.BytesIO(program))


def _saved(value: Any) -> Spoil:
    return lambda path: torch.save(value, path)
