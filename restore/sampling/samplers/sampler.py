"""What a sampler is, and how one that remembers is used again."""

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
    """A sampler with memory, which itself never changes: `begin` gives the transition of one descent, with nothing to remember.

    So one object serves many runs, at the same time too. Called itself it makes a first step, which has no past.
    """

    begin: Callable[[], Sampler]

    def __call__(self, denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        return self.begin()(denoise, x, sigma, sigma_next, noise)


def begin(sampler: Sampler) -> Sampler:
    """The transition for one descent of a run; the engine asks for it at the start and after every climb."""
    return sampler.begin() if isinstance(sampler, Multistep) else sampler
