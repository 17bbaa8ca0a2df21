"""The memory of one evaluation of a prior, without running it at full size."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from restore.errors import OutOfMemoryError
from restore.priors.latent.codec import Codec
from restore.priors.prior import Prior
from restore.priors.whereabouts import is_offloaded

SMALL = 128  # Side in pixels of the pictures whose evaluation is measured.
FEW, MORE = 16, 32  # The same for networks whose memory is linear in the number of pixels.


class Live(TorchDispatchMode):
    """Counts the bytes of live tensors that were made inside it.

    Attributes:
        now: bytes at present.
        history: bytes after each operation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.history: list[int] = []
        self._sizes: dict[int, int] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False, because for True torch imports its compiler, which takes more than a second."""
        return False

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = {_storage(tensor)._cdata for tensor in _tensors((*args, *kwargs.values()))}
        answer = func(*args, **kwargs)
        for tensor in _tensors((answer,)):
            storage = _storage(tensor)
            key = storage._cdata
            if key not in self._sizes and key not in given:
                self._sizes[key] = storage.nbytes()
                self.now += storage.nbytes()
                weakref.finalize(storage, self._gone, key)
        self.history.append(self.now)
        return answer

    @property
    def peak(self) -> int:
        """The largest number of bytes after any operation."""
        return max(self.history, default=0)

    def _gone(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


Histories = tuple[list[int], list[int]]
_linear: weakref.WeakKeyDictionary[Prior, dict[tuple[bool, torch.device], Histories]] = weakref.WeakKeyDictionary()


def evaluation(prior: Prior, batch: int, height: int, width: int, *, graph: bool, device: torch.device) -> int:
    """Peak bytes of the tensors of one evaluation: input, output and activations, without the weights.

    The memory of convolutional networks (attribute `convolutional`) is linear in the number of pixels, so it is extrapolated
    from two small evaluations, made once for each prior. Other networks run on fake tensors, which have a shape and no
    content; that imports torch's compiler, which takes most of a second. Networks that fake tensors do not support, and those
    whose weights are offloaded, run on a small picture.

    Args:
        graph: whether a gradient with respect to x is also taken.
    """
    if any(getattr(part, "convolutional", False) for part in prior.modules()):
        return _extrapolated(prior, batch * height * width, graph, device)
    from torch._subclasses.fake_tensor import FakeTensorMode

    if not is_offloaded(prior):
        try:
            with FakeTensorMode(allow_non_fake_inputs=True):
                return max(_history(prior, (batch, prior.channels, height, width), graph, device))
        except OutOfMemoryError:
            raise
        except Exception:  # Fake tensors raise errors of many types for what they do not support.
            pass
    rows, columns = (min(side, max(SMALL, prior.multiple_of)) for side in (height, width))
    peak = max(_history(prior, (1, prior.channels, rows, columns), graph, device))
    return peak * batch * height * width // (rows * columns)


def decoding(codec: Codec, size: tuple[int, int], *, graph: bool, device: torch.device) -> int:
    """Peak bytes of the tensors of decoding a picture of `size`, (H, W); 0 for a codec without networks.

    Args:
        graph: whether a gradient with respect to the latents is also taken.
    """
    return _coding(codec, size, lambda z, some: codec.decode(z, some), codec.channels, codec.factor, graph, device)


def encoding(codec: Codec, size: tuple[int, int], *, graph: bool, device: torch.device) -> int:
    """The same of encoding it, and a gradient with respect to the picture."""
    return _coding(codec, size, lambda x, some: codec.encode(x), codec.picture_channels, 1, graph, device)


def _coding(
    codec: Codec,
    size: tuple[int, int],
    call: Callable[[Tensor, tuple[int, int]], Tensor],
    channels: int,
    factor: int,
    graph: bool,
    device: torch.device,
) -> int:
    """Peak bytes of a call of (1, channels, H / factor, W / factor) and (H, W)."""
    if not codec.modules():
        return 0
    from torch._subclasses.fake_tensor import FakeTensorMode

    def shape(some: tuple[int, int]) -> tuple[int, ...]:
        return 1, channels, -(-some[0] // factor), -(-some[1] // factor)

    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            return max(_called(lambda x: call(x, size), shape(size), graph, device))
    except OutOfMemoryError:
        raise
    except Exception:  # As in `evaluation`.
        part = min(size[0], SMALL + codec.factor), min(size[1], SMALL + codec.factor)
        peak = max(_called(lambda x: call(x, part), shape(part), graph, device))
        return peak * size[0] * size[1] // (part[0] * part[1])


def _extrapolated(prior: Prior, pixels: int, graph: bool, device: torch.device) -> int:
    """Peak bytes for a number of pixels, extrapolated linearly from two small pictures after each operation."""
    sides = [max(side, scale * prior.multiple_of) for side, scale in ((FEW, 1), (MORE, 2))]
    known = _linear.setdefault(prior, {})
    if (graph, device) not in known:
        few, more = (_history(prior, (1, prior.channels, side, side), graph, device) for side in sides)
        known[graph, device] = few, more
    few, more = known[graph, device]
    share = (pixels - sides[0] ** 2) / (sides[1] ** 2 - sides[0] ** 2)
    return round(max(a + share * (b - a) for a, b in zip(few, more, strict=True)))


def _history(prior: Prior, shape: tuple[int, ...], graph: bool, device: torch.device) -> list[int]:
    """Bytes after each operation of an evaluation."""
    return _called(lambda x: prior(x, torch.tensor(1.0, device=device)), shape, graph, device)


def _called(call: Callable[[Tensor], Tensor], shape: tuple[int, ...], graph: bool, device: torch.device) -> list[int]:
    """Bytes after each operation of a call, and of a gradient through it."""
    with Live() as live, torch.set_grad_enabled(graph):
        x = torch.zeros(shape, device=device).requires_grad_(graph)
        answer = call(x)
        if graph:
            torch.autograd.grad(answer, x, torch.ones_like(answer))
        del x, answer
    return live.history


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    """The tensors among arguments or results of an operation, lists included."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()
