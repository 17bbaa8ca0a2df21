"""One random generator per picture, so that batch size, order and device never change a result."""

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

    Noise is drawn on the CPU in float32, then moved, so that every device gets the same numbers.

    Args:
        seeds: one integer per picture, see `seed_for`.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, like: Tensor) -> Tensor:
        """z ~ N(0, 1) with the shape (B, ...), device and dtype of `like`; B is the number of seeds.

        Raises: ValueError for another B.
        """
        if like.shape[0] != len(self._generators):
            raise ValueError(f"noise for {len(self._generators)} pictures, asked for {like.shape[0]}")
        drawn = torch.empty(like.shape, pin_memory=like.is_cuda)  # A GPU copies from pinned memory while it computes.
        if len(self._generators) == 1:
            drawn[0].normal_(generator=self._generators[0])
        else:
            # One core draws the noise of a batch more slowly than a GPU denoises it. Each thread fills one picture.
            list(_threads().map(lambda picture, generator: picture.normal_(generator=generator), drawn, self._generators))
        return drawn.to(like.device, like.dtype, non_blocking=like.is_cuda)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="noise")


if hasattr(os, "register_at_fork"):  # Not on Windows.
    os.register_at_fork(after_in_child=_threads.cache_clear)  # A forked process has none of the threads, and would wait.


def seed_for(seed: int, name: str = "", sample: int = 0) -> int:
    """The generator seed of one sample of one picture: a hash of the run's seed, the picture's relative path and the index."""
    digest = hashlib.sha256(f"{seed}\0{name}\0{sample}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") >> 1
