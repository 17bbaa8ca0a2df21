"""One random generator per picture, so that batching, order and placement never change a result."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch
from torch import Tensor


class Noise:
    """Standard normal noise for a batch, each picture from its own generator.

    Draws happen on the CPU in float32 whatever the device, so every device sees the same numbers.

    Args:
        seeds: one whole number a picture, see `seed_for`.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, like: Tensor) -> Tensor:
        """z shaped, placed and typed as `like` (B, ...); B is the number of seeds.

        Raises: ValueError for another B.
        """
        if like.shape[0] != len(self._generators):
            raise ValueError(f"noise for {len(self._generators)} pictures, asked for {like.shape[0]}")
        drawn = torch.empty(like.shape, pin_memory=like.is_cuda)  # From pinned memory a GPU copies while it computes.
        if len(self._generators) == 1:
            drawn[0].normal_(generator=self._generators[0])
        else:
            # A GPU is done with a batch sooner than one core draws its noise; each generator has its own picture to fill.
            list(_threads().map(lambda picture, generator: picture.normal_(generator=generator), drawn, self._generators))
        return drawn.to(like.device, like.dtype, non_blocking=like.is_cuda)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="noise")


def seed_for(seed: int, name: str = "", sample: int = 0) -> int:
    """The generator seed of one sample of one picture, from the run's seed and the picture's relative path."""
    digest = hashlib.sha256(f"{seed}\0{name}\0{sample}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
