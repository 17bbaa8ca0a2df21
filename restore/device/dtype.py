"""Which arithmetic a device is fastest in, by trying it once."""

from __future__ import annotations

import time
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

WIDTH, SIDE = 64, 32  # Channels and pixels a side of the convolution that is timed: a millisecond on one core.
ROUNDS = 20


@lru_cache(maxsize=8)
def fastest(device: torch.device) -> tuple[torch.dtype, str]:
    """The dtype for networks on a device, and why; found out once a process.

    A device without bfloat16 of its own is not asked further. One that has it is timed, because drivers and libraries may not
    use it. Each time is the least of some rounds in turn, every one shorter than the slice a busy machine's scheduler gives, so
    that other work does not decide; where bfloat16 is used it is about twice as fast.
    """
    if not multiplies_bfloat16(device):
        return torch.float32, "no bfloat16 in hardware"
    short, full = timed(device)
    compared = f"a convolution took {1e3 * short:.2g} ms in bfloat16, {1e3 * full:.2g} ms in float32"
    return (torch.bfloat16 if short < full else torch.float32), compared


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the hardware says so."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type != "cpu":
        return False
    told = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(ask is not None and ask() for ask in told)


@torch.no_grad()
def timed(device: torch.device) -> tuple[float, float]:
    """Seconds of one 3x3 convolution, laid out as networks have it, in bfloat16 and in float32."""
    pairs = []
    for dtype in (torch.bfloat16, torch.float32):
        shapes = (1, WIDTH, SIDE, SIDE), (WIDTH, WIDTH, 3, 3)
        pairs.append([torch.ones(shape, device=device, dtype=dtype).to(memory_format=torch.channels_last) for shape in shapes])
    rounds = [[_seconds(x, weight) for x, weight in pairs] for _ in range(ROUNDS + 1)]
    short, full = (min(found) for found in zip(*rounds[1:], strict=True))  # The first round sets up.
    return short, full


def _seconds(x: Tensor, weight: Tensor) -> float:
    before = time.perf_counter()
    F.conv2d(x, weight, padding=1)
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    return time.perf_counter() - before
