"""The type of a sampler, and multistep samplers, which keep state between steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # The command line lists samplers without loading torch.
    from torch import Tensor

    from restore.sampling.noise import Noise

Denoise = Callable[["Tensor", "Tensor"], "Tensor"]
Sampler = Callable[[Denoise, "Tensor", "Tensor", "Tensor", "Noise"], "Tensor"]


@dataclass(frozen=True)
class Multistep:
    """A multistep sampler. It is immutable: `begin` returns a transition with fresh state, for one run of falling noise levels.

    One object therefore serves many runs, concurrent ones included. Calling it directly makes a first step, without history.
    """

    begin: Callable[[], Sampler]

    def __call__(self, denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        return self.begin()(denoise, x, sigma, sigma_next, noise)


def begin(sampler: Sampler) -> Sampler:
    """The transition for one run of falling noise levels. The engine calls this at the start and after every rise of sigma."""
    return sampler.begin() if isinstance(sampler, Multistep) else sampler
