"""Networks compiled by torch.compile, with a fallback to the original."""

from __future__ import annotations

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
    """A network that is compiled at the first call; its outputs are equal up to rounding.

    Calls with a gradient use the original network, because compiling the backward pass takes as long again and is rarely used.
    If compiling fails, for example without a C++ compiler, there is one warning and the original network is used. Code is
    compiled for the first size of pictures, and once more, for all sizes, at the second.

    Attributes:
        works: whether compiled code is used: None before the first call, False once it has failed.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.works: bool | None = None
        self._call: Callable[..., Any] | None = None

    def forward(self, x: Tensor, level: Tensor, **condition: Tensor) -> Any:
        if self.works is False or (torch.is_grad_enabled() and x.requires_grad):
            return self.network(x, level, **condition)
        try:
            answer = self._answer(x, level, **condition)
        except Exception as error:  # Compilers fail in many ways.
            if is_lack_of_memory(error):
                raise
            self.works = False
            said = (str(error).strip().splitlines() or [""])[0]
            logger.warning("the network could not be compiled and runs as it is (%s: %s)", type(error).__name__, said[:200])
            return self.network(x, level, **condition)
        self.works = True
        return answer

    def _answer(self, x: Tensor, level: Tensor, **condition: Tensor) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Warnings of the compiler are for its developers.
            if self._call is None:
                self._call = torch.compile(self.network, mode=mode_for(x.device))
            if not x.is_cuda:
                return self._call(x, level, **condition)
            # The output of a CUDA graph is in the graph's own memory, which the next replay overwrites.
            torch.compiler.cudagraph_mark_step_begin()
            return self._call(x, level, **condition).clone()


def mode_for(device: torch.device) -> str:
    """The mode of torch.compile: on a GPU CUDA graphs, which avoid a kernel launch for every layer."""
    return "reduce-overhead" if device.type == "cuda" else "default"


def with_compiled_networks(prior: Prior) -> Prior:
    """A copy of the prior with compiled networks. It shares all weights; the prior given does not change.

    Only networks of `NetworkPrior`s are compiled.
    """
    return _twin(prior)


def runs_compiled(prior: Prior) -> bool:
    """Whether the prior uses compiled code; False before the first evaluation."""
    return any(part.works for part in prior.modules() if isinstance(part, Compiled))


def _twin(prior: Any) -> Any:
    twin = prior.twin()
    for name, part in prior._modules.items():
        if isinstance(part, Prior):
            twin._modules[name] = _twin(part)
    if isinstance(prior, NetworkPrior):
        twin.network = Compiled(prior.network)
    return twin
