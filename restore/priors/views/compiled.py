"""A network through torch.compile, which falls back to what it was."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from restore.device.memory import is_lack_of_memory
from restore.priors.families.networked import NetworkPrior
from restore.priors.prior import Prior

logger = logging.getLogger("restore")


class Compiled(nn.Module):
    """A network, compiled at the first call; the same answers up to rounding.

    Where a gradient is taken it is called as it is: compiling the way back costs a second time and is used a few times only.
    If compiling fails, for want of a C++ compiler, say, one warning says so and the network goes on as it is. Pictures of one
    size are compiled for that size; at a second size the code is made once more, for all.

    Attributes:
        works: whether answers come from compiled code: None before the first, False once it has failed.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.works: bool | None = None
        self._call: Callable[..., Any] | None = None

    def forward(self, x: Tensor, level: Tensor) -> Any:
        if self.works is False or (torch.is_grad_enabled() and x.requires_grad):
            return self.network(x, level)
        try:
            answer = self._answer(x, level)
        except Exception as error:  # Compilers fail in many ways.
            if is_lack_of_memory(error):
                raise
            self.works = False
            said = (str(error).strip().splitlines() or [""])[0]
            logger.warning("the network could not be compiled and runs as it is (%s: %s)", type(error).__name__, said[:200])
            return self.network(x, level)
        self.works = True
        return answer

    def _answer(self, x: Tensor, level: Tensor) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Those of the compiler are for its developers.
            if self._call is None:
                self._call = torch.compile(self.network, mode=mode_for(x.device))
            if not x.is_cuda:
                return self._call(x, level)
            # What a CUDA graph answers lies in its own memory, and the next replay writes over it.
            torch.compiler.cudagraph_mark_step_begin()
            return self._call(x, level).clone()


def mode_for(device: torch.device) -> str:
    """On a GPU windows of one size are replayed as CUDA graphs, without a launch for every layer."""
    return "reduce-overhead" if device.type == "cuda" else "default"


def with_compiled_networks(prior: Prior) -> Prior:
    """A twin of the prior, which shares all weights, whose networks are compiled; the prior given stays as it is.

    Only priors of kind `NetworkPrior` have a network that can be found and compiled; the others come back as they are.
    """
    return _twin(prior)


def runs_compiled(prior: Prior) -> bool:
    """Whether answers of the prior came from compiled code; known after the first."""
    return any(part.works for part in prior.modules() if isinstance(part, Compiled))


def _twin(prior: Any) -> Any:
    twin = copy.copy(prior)
    twin._modules = dict(prior._modules)  # nn.Module's own copy shares the table of parts.
    for name, part in prior._modules.items():
        if isinstance(part, Prior):
            twin._modules[name] = _twin(part)
    if isinstance(prior, NetworkPrior):
        twin.network = Compiled(prior.network)
    return twin
