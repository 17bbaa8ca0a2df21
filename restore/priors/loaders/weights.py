"""Weights in safetensors files: shapes from the header alone, then the values, checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from restore.device.memory import free, is_lack_of_memory, spell
from restore.errors import OutOfMemoryError, PriorError
from restore.priors.loaders.build import last_line
from restore.priors.loaders.fields import shown

DTYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}
# Beyond what trained networks hold (a few hundred at most), and near the end of half precision.
LARGEST = 1e4


def read_shapes(path: Path, source: str) -> dict[str, Tensor]:
    """Names, shapes and dtypes as tensors on the meta device. The values are not read.

    Args:
        source: the model's name in errors.

    Raises: PriorError if the header is damaged or does not agree with the file's length, or a dtype is no floating point.
    """
    if path.stat().st_size == 0:
        raise PriorError(f"{source}: {path.name} is empty")
    found = {}
    try:
        # safetensors checks that the tensors fill the file exactly.
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118  # It is no mapping.
                part = file.get_slice(name)
                found[name] = (part.get_dtype(), part.get_shape())
    except Exception as error:
        if is_lack_of_memory(error):
            raise
        # Its binding raises its own error, and others for what Python cannot represent.
        raise PriorError(f"{source}: {path.name} cannot be read or is cut short: {last_line(error)}") from None
    for name, (dtype, _) in found.items():
        if dtype not in DTYPES:
            raise PriorError(f"{source}: {path.name}: {shown(name)} has dtype {dtype}; weights are {', '.join(DTYPES)}")
    return {name: torch.empty(shape, dtype=DTYPES[dtype], device="meta") for name, (dtype, shape) in found.items()}


def read_weights(path: Path, source: str) -> dict[str, Tensor]:
    """All tensors, float32 on the CPU. Call `read_shapes` and compare with the config first: this allocates.

    Raises: PriorError if the file is damaged, or `check_values` refuses its values; OutOfMemoryError if they do not fit.
    """
    try:
        stored = load_file(path)
    except Exception as error:
        if is_lack_of_memory(error):
            raise
        raise PriorError(f"{source}: {path.name} cannot be read or is cut short: {last_line(error)}") from None
    return as_float32(stored, source)


def as_float32(stored: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """The tensors in float32, after `check_values`; raises its errors, and OutOfMemoryError if they do not fit."""
    needed, left = 4 * sum(value.numel() for value in stored.values()), free(torch.device("cpu"))
    if needed > left:
        raise OutOfMemoryError(f"{source}: its weights take {spell(needed)}, and {spell(left)} are free")
    weights = {name: value.float() for name, value in stored.items()}
    check_values(weights, source)
    return weights


def check_values(weights: Mapping[str, Tensor], source: str) -> None:
    """Raises PriorError if a weight is not finite or larger than any network's."""
    for name, value in weights.items():
        if value.numel() == 0:
            continue
        largest = float(value.abs().max())  # NaN if any weight is.
        if not largest <= LARGEST:
            what = f"as large as {largest:.0f}" if largest < float("inf") else "that are not finite"
            raise PriorError(f"{source}: {shown(name)} holds weights {what}; the model is damaged: get it again")
