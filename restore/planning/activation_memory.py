"""What one evaluation of a prior will hold in memory, without computing it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from restore.errors import OutOfMemoryError
from restore.priors.prior import Prior

SMALL = 128  # Side of the picture that is computed where nothing can be told without computing.


class Live(TorchDispatchMode):
    """Counts the bytes of tensors made while it is on, for as long as they live.

    Attributes:
        now, peak: bytes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = {_storage(tensor)._cdata for tensor in _tensors((args, kwargs))}
        answer = func(*args, **kwargs)
        for tensor in _tensors(answer):
            storage = _storage(tensor)
            key = storage._cdata
            if key not in self._sizes and key not in given:
                self._sizes[key] = storage.nbytes()
                self.now += storage.nbytes()
                weakref.finalize(storage, self._gone, key)
        self.peak = max(self.peak, self.now)
        return answer

    def _gone(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


def evaluation(prior: Prior, batch: int, height: int, width: int, *, graph: bool, device: torch.device) -> int:
    """The most bytes that tensors of one evaluation take at once: input, answer and all between; weights are there already.

    Nothing is computed: the network is run on tensors that have a shape and no content. Where it asks for content, it is run on
    a small picture, and bytes are taken to grow with pixels.

    Args:
        graph: whether a gradient in x is taken, too.
    """
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            return _peak(prior, (batch, prior.channels, height, width), graph, device)
    except OutOfMemoryError:
        raise
    except Exception:  # Fake tensors refuse in many ways what they cannot follow.
        rows, columns = (min(side, max(SMALL, prior.multiple_of)) for side in (height, width))
        peak = _peak(prior, (1, prior.channels, rows, columns), graph, device)
        return peak * batch * height * width // (rows * columns)


def _peak(prior: Prior, shape: tuple[int, ...], graph: bool, device: torch.device) -> int:
    with Live() as live, torch.set_grad_enabled(graph):
        x = torch.zeros(shape, device=device).requires_grad_(graph)
        answer = prior(x, torch.tensor(1.0, device=device))
        if graph:
            torch.autograd.grad(answer, x, torch.ones_like(answer))
        del x, answer
    return live.peak


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()
