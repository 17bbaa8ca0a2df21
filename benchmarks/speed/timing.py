"""Seconds that can be compared on a machine that does other things, too: taken in turns, as ratios of neighbours."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from restore.priors import Prior
from restore.priors.families.networked import NetworkPrior

Work = Callable[[], object]


@dataclass(frozen=True)
class Took:
    """Seconds of one go, by the clock and of all this process's threads, and what came of it."""

    wall: float
    process: float
    answer: Any = None


def took(work: Work) -> Took:
    started = time.perf_counter(), time.process_time()
    answer = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return Took(time.perf_counter() - started[0], time.process_time() - started[1], answer)


def in_turns(works: Sequence[Work], repeats: int) -> list[list[Took]]:
    """A B A B ..., so that whatever else the machine does disturbs all alike; a list for each of the works."""
    found: list[list[Took]] = [[] for _ in works]
    for _ in range(repeats):
        for work, taken in zip(works, found, strict=True):
            taken.append(took(work))
    return found


def ratio(taken: Sequence[Took], against: Sequence[Took], of: str = "wall") -> float:
    """Median over neighbours in time."""
    return median(getattr(a, of) / getattr(b, of) for a, b in zip(taken, against, strict=True))


def middle(taken: Sequence[Took], of: str = "wall") -> float:
    return median(getattr(one, of) for one in taken)


def least(work: Work, rounds: int) -> float:
    """Seconds of processor time of the shortest go, so that other work on the machine hardly shows."""
    return min(took(work).process for _ in range(rounds))


# The bare network


@dataclass(frozen=True)
class Bare:
    """The network alone, called as the prior calls it: the same arguments, arithmetic and memory format."""

    network: nn.Module
    given: tuple[Tensor, ...]
    autocast: torch.dtype | None

    @classmethod
    def of(cls, prior: Prior, shape: tuple[int, ...], device: torch.device) -> Bare:
        """Caught in one evaluation of a picture of a shape."""
        network, found = network_of(prior), []

        def catch(module: nn.Module, given: tuple[Tensor, ...]) -> None:
            on = torch.is_autocast_enabled(device.type)
            found.append(cls(module, given, torch.get_autocast_dtype(device.type) if on else None))

        hook = network.register_forward_pre_hook(catch)
        with torch.no_grad():
            prior(torch.randn(shape, device=device), torch.tensor(1.0, device=device))
        hook.remove()
        assert len(found) == 1, "one evaluation of the prior asks the network once"
        return found[0]

    def _ask(self, *given: Tensor) -> Tensor:
        with torch.autocast(given[0].device.type, self.autocast, enabled=self.autocast is not None):
            answer: Tensor = self.network(*given)
        return answer

    def forwards(self, count: int) -> None:
        with torch.no_grad():
            for _ in range(count):
                self._ask(*self.given)

    def products(self, forwards: int, products: int) -> None:
        """Forwards that keep their graph, and so many vector-Jacobian products in all, spread evenly over them."""
        for index in range(forwards):
            x = self.given[0].detach().requires_grad_()
            answer = self._ask(x, *self.given[1:])
            pull = torch.ones_like(answer)
            for _ in range(products * (index + 1) // forwards - products * index // forwards):
                torch.autograd.grad(answer, x, pull, retain_graph=True)


def network_of(prior: Prior) -> nn.Module:
    return next(module for module in prior.modules() if isinstance(module, NetworkPrior)).network


@dataclass
class Seen:
    """What a run asked of the network.

    Attributes:
        pictures: that went through, each evaluation of a batch of B counting B.
        products: vector-Jacobian products.
        spans: when each evaluation began and ended, by the clock.
    """

    pictures: int = 0
    products: int = 0
    spans: list[tuple[float, float]] = field(default_factory=list)

    @property
    def inside(self) -> float:
        """Seconds of evaluations, without products."""
        return sum(end - begin for begin, end in self.spans)


@contextmanager
def watched(prior: Prior) -> Iterator[Seen]:
    """Counts what is asked of a prior's network, and times it; costs microseconds an evaluation."""
    seen, begun = Seen(), [0.0]

    def before(*_: Any) -> None:
        begun[0] = time.perf_counter()

    def after(_: nn.Module, given: tuple[Tensor, ...], answer: Tensor) -> None:
        seen.spans.append((begun[0], time.perf_counter()))
        seen.pictures += len(given[0])
        if answer.requires_grad:
            answer.register_hook(pulled)

    def pulled(_: Tensor) -> None:
        seen.products += 1

    network = network_of(prior)
    hooks = network.register_forward_pre_hook(before), network.register_forward_hook(after)
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
