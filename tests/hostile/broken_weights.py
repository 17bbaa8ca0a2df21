"""Ways to break a safetensors file: an 8-byte length, a JSON header of that length, and the tensors' bytes."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

Spoil = Callable[[Path], None]


def cases(rng: random.Random) -> Iterator[tuple[str, Spoil, bool]]:
    """Name, what is done to the file, and whether a file that still loads must hold the same weights."""
    for _ in range(15):
        share = rng.random() ** 2  # More of them in the header.
        yield f"cut at {share:.4f}", _cut(share), True
    for _ in range(30):
        share, bit = rng.random(), rng.randrange(8)
        yield f"bit {bit} of the header's {share:.4f} flipped", _flip(share, bit), True
    for length in (0, 1, 7, 10**6, 2**31, 2**62, 2**64 - 1):
        yield f"header of {length} bytes", _length(length), True
    for field, values in HEADER.items():
        for value in values:
            yield f"{field} is {str(value)[:30]}", _header(field, value), True
    for name, value in (("NaN", float("nan")), ("infinity", float("inf")), ("-infinity", -float("inf")), ("6e4", 6e4)):
        yield f"a weight is {name}", _tensors(_value(value)), True
    for dtype in (torch.int32, torch.int8, torch.bool, torch.uint8, torch.complex64, torch.float8_e4m3fn):
        yield f"a tensor of {dtype}", _tensors(_changed(lambda x, dtype=dtype: x.float().to(dtype))), True
    for name, change in SHAPES.items():
        yield f"a tensor {name}", _tensors(_changed(change)), True
    yield "a tensor missing", _tensors(lambda rng, found: found.pop(_one(rng, found)) is None), True
    yield "a tensor renamed", _tensors(lambda rng, found: found.update({"module.x": found.pop(_one(rng, found))})), True
    yield "a tensor more", _tensors(lambda rng, found: found.update({"more\nlines": torch.zeros(3)})), True
    yield "no tensor", _tensors(lambda rng, found: found.clear()), True
    yield "100,000 tensors", _tensors(lambda rng, found: found.update({str(i): torch.zeros(1) for i in range(100_000)})), True


HEADER: dict[str, tuple[Any, ...]] = {
    "dtype": ("BOGUS", "F8_E4M3", "I64", None, 3, "f32"),
    "shape": ([10**12], [2**63, 2], [-1], [0], [1.5], "wide", [[1]], [1] * 10_000, [2**32, 2**32, 2**32], []),
    "data_offsets": ([0, 10**12], [8, 4], [-8, 0], [0], [2**64, 2**65], [0.0, 4.0], None, [0, 0]),
}
SHAPES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "without dimensions": lambda value: torch.zeros((), dtype=value.dtype),
    "without elements": lambda value: torch.zeros((0, 4), dtype=value.dtype),
    "of twice the width": lambda value: torch.cat([value, value]),
    "in one row": lambda value: value.reshape(1, -1).clone(),
    "of a dimension more": lambda value: value[None].clone(),
}


def _one(rng: random.Random, found: dict[str, Any]) -> str:
    return rng.choice(sorted(name for name in found if name != "__metadata__"))


def _cut(share: float) -> Spoil:
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)]) and None


def _flip(share: float, bit: int) -> Spoil:
    def spoil(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[int(share * (8 + struct.unpack("<Q", data[:8])[0]))] ^= 1 << bit
        path.write_bytes(data)

    return spoil


def _length(length: int) -> Spoil:
    return lambda path: path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:]) and None


def _header(field: str, value: Any) -> Spoil:
    def spoil(path: Path) -> None:
        data = path.read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + length])
        header[_one(random.Random(0), header)][field] = value
        told = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(told)) + told + data[8 + length :])

    return spoil


def _tensors(change: Callable[[random.Random, dict[str, torch.Tensor]], Any]) -> Spoil:
    def spoil(path: Path) -> None:
        found = load_file(path)
        change(random.Random(0), found)
        save_file(found, path)

    return spoil


def _value(number: float) -> Callable[[random.Random, dict[str, torch.Tensor]], None]:
    def change(rng: random.Random, found: dict[str, torch.Tensor]) -> None:
        found[_one(rng, found)].flatten()[0] = number

    return change


def _changed(made: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[random.Random, dict[str, torch.Tensor]], None]:
    def change(rng: random.Random, found: dict[str, torch.Tensor]) -> None:
        name = next(name for name in sorted(found) if found[name].ndim > 1)
        found[name] = made(found[name])

    return change
