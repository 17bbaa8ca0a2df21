"""The work of a codec in a run: how often it encodes and decodes, counted on a small picture, and the seconds that takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from restore.operators import Operator
from restore.planning.evaluations import times
from restore.priors.latent.codec import Codec
from restore.priors.latent.decoded import Decoded
from restore.problem import Problem


@dataclass(frozen=True)
class Coded:
    """What a method asks of a codec in its transitions, for one sample; 0 for priors on pixels.

    Attributes:
        encoded, decoded: pictures.
        through_encoder, through_decoder: those that a gradient is taken through.
    """

    encoded: int = 0
    decoded: int = 0
    through_encoder: int = 0
    through_decoder: int = 0


class Counting(Codec):
    """A stand-in for a codec that counts what it is asked for."""

    def __init__(self, codec: Codec) -> None:
        super().__init__(codec.channels, codec.picture_channels, codec.factor)
        self.codec, self.counts = codec.stand_in(), Coded()

    def _encode(self, x: Tensor) -> Tensor:
        self._add(encoded=len(x))
        return self._heard(self.codec._encode(x), "through_encoder")

    def _decode(self, z: Tensor) -> Tensor:
        self._add(decoded=len(z))
        return self._heard(self.codec._decode(z), "through_decoder")

    def _heard(self, answer: Tensor, name: str) -> Tensor:
        if answer.requires_grad:
            answer.register_hook(lambda gradient: self._add(**{name: len(gradient)}))
        return answer

    def _add(self, **more: int) -> None:
        self.counts = replace(self.counts, **{name: getattr(self.counts, name) + count for name, count in more.items()})


def counting(operator: Operator) -> Operator:
    """The operator with a codec that counts, if it has one."""
    return Decoded(operator.inside, Counting(operator.codec), operator.size) if isinstance(operator, Decoded) else operator


def counted(operator: Operator) -> Coded:
    """What the codec of such an operator was asked for so far."""
    found = isinstance(operator, Decoded) and isinstance(operator.codec, Counting)
    return operator.codec.counts if found else Coded()  # type: ignore[attr-defined]


def without_networks(problem: Problem) -> Problem:
    """The problem with a stand-in for its codec, so that transitions can be timed beside it."""
    operator: Operator = problem.operator
    if not isinstance(operator, Decoded):
        return problem
    return replace(problem, operator=Decoded(operator.inside, operator.codec.stand_in(), operator.size))


def seconds_to_code(codec: Codec, size: tuple[int, int], work: Coded, device: torch.device) -> float:
    """Seconds of a codec's work; each kind is done once to measure it.

    Args:
        size: (H, W) of a picture.
        work: of all samples.
    """
    if not codec.modules():
        return 0.0
    z = torch.zeros(1, codec.channels, *codec.cells(*size), device=device)
    x = torch.zeros(1, codec.picture_channels, *size, device=device)
    return sum(
        _seconds(call, given, count, through)
        for call, given, count, through in (
            (lambda z: codec.decode(z, size), z, work.decoded, work.through_decoder),
            (codec.encode, x, work.encoded, work.through_encoder),
        )
    )


def _seconds(call: Callable[[Tensor], Tensor], given: Tensor, count: int, through: int) -> float:
    if not count:
        return 0.0
    with torch.no_grad():
        forward = min(times(lambda: call(given), 1))
    if not through:
        return count * forward

    def pulled() -> Any:
        at = given.clone().requires_grad_()
        return torch.autograd.grad(call(at).sum(), at)

    with torch.enable_grad():
        both = min(times(pulled, 1))
    return count * forward + through * max(0.0, both - forward)
