"""The dtype that a network computes in, chosen by what the hardware supports."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import torch

from restore.errors import UsageError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
VARIABLE = "RESTORE_DTYPE"
# Instruction set -> torch's function that detects it, and Linux's flag for it.
INSTRUCTIONS = {
    "AVX512-BF16": ("_is_avx512_bf16_supported", "avx512_bf16"),
    "AMX": ("_is_amx_tile_supported", "amx_bf16"),
}


def parse(name: str | None) -> torch.dtype | None:
    """The dtype of a name. "auto" and None give None, with which the prior chooses. Raises UsageError for another name."""
    if name in {None, "auto"}:
        return None
    if name not in DTYPES:
        raise UsageError(f"unknown dtype {name!r}; known: auto, {', '.join(DTYPES)}")
    return DTYPES[str(name)]


def from_environment() -> torch.dtype | None:
    """The dtype of the environment variable RESTORE_DTYPE, the default of `--dtype` and of `Restorer`'s keyword `dtype`.

    It takes the same values (auto, float32, bfloat16, float16) and has the same effect, for every prior on every device. Empty
    is unset.

    Raises: UsageError for another value.
    """
    word = os.environ.get(VARIABLE) or None
    try:
        return parse(word)
    except UsageError as error:
        raise UsageError(f"environment variable {VARIABLE}: {error}") from None


def of_hardware(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it in hardware, about twice as fast as float32; float32 elsewhere."""
    return torch.bfloat16 if multiplies_bfloat16(device) else torch.float32


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware; elsewhere it is emulated, many times slower than float32."""
    return bool(bfloat16_unit(device))


@lru_cache(maxsize=8)
def bfloat16_unit(device: torch.device) -> str:
    """The hardware that multiplies bfloat16 on a device, such as "AMX"; empty if there is none, or for unknown devices.

    CUDA needs compute capability 8.0 (Ampere). `torch.cuda.is_bf16_supported` is also true where bfloat16 is emulated.
    """
    if device.type == "cuda":
        if torch.version.hip is not None:
            return "ROCm" if torch.cuda.is_bf16_supported() else ""
        capability = torch.cuda.get_device_capability(device)
        return "CUDA capability {}.{}".format(*capability) if capability >= (8, 0) else ""
    if device.type != "cpu":
        return ""
    return " and ".join(name for name, asked in INSTRUCTIONS.items() if _cpu_has(*asked))


def _cpu_has(function: str, flag: str) -> bool:
    """Whether the CPU has an instruction set, according to torch, or to Linux if this version of torch cannot tell."""
    ask = getattr(torch.cpu, function, None)
    return bool(ask()) if ask is not None else flag in _cpu_flags()


def _cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> set[str]:
    """Linux's flags of the CPU; empty where there is no such file."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    return set(next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), []))
