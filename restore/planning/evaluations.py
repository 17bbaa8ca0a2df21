"""The seconds of evaluations of a prior, measured once for each size of window."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from restore.priors.prior import Prior

SHARE = 1 / 8  # Largest share of a run's evaluations that a measurement takes, except for small pictures.
SMALL = 256  # Side in pixels up to which pictures are measured whole.
WARM_UP = 64  # Side in pixels of the first evaluation for larger ones, in which libraries set themselves up.
ENOUGH = 0.05  # Seconds; shorter measurements are repeated.
# Relative increase of the time per pixel when the number of pixels doubles. From 256 to 1024 pixels a side that of the bundled
# prior rose by 0.04 to 0.17 per doubling: glibc gets tensors of 32 MB and more from the system each time.
GROWTH = 0.15
GRADIENT = 4.0  # An evaluation and a gradient through it, and both again to be sure, over an evaluation.
# Peak bytes of an evaluation without gradients over those of its largest layer's output: 4.1 and 4.6 for the bundled prior in
# float32 and bfloat16.
LAYERS = 4.6


@dataclass(frozen=True)
class Evaluations:
    """Evaluations of the prior in one box of a picture.

    Attributes:
        size: (height, width) of the windows.
        first: windows of the first evaluation.
        forward, backward: windows evaluated, and gradients taken through them, over all steps and samples.
    """

    size: tuple[int, int]
    first: int
    forward: float
    backward: float

    @property
    def pixels(self) -> int:
        """Of one window."""
        return self.size[0] * self.size[1]


@dataclass(frozen=True)
class Measured:
    """Evaluations of one window, as measured.

    Attributes:
        pixels: of the window.
        forward, backward: seconds of D, and of a gradient through it.
        beyond: seconds that the first evaluation took beyond `forward`.
        layer: bytes of the largest output of a layer.
    """

    pixels: int
    forward: float
    backward: float
    beyond: float
    layer: int


_known: WeakKeyDictionary[Prior, dict[Any, Measured]] = WeakKeyDictionary()


def in_network(prior: Prior, work: Sequence[Evaluations], device: torch.device) -> tuple[float, int]:
    """Seconds of all evaluations, and roughly the peak bytes of the largest without a gradient.

    Windows of up to 256 pixels a side are evaluated once, or twice if a run does so more often; of larger ones a part is that
    is small against all evaluations. Once measured in a process, a prior's windows of a size are not evaluated again.
    """
    largest = max(work, key=lambda one: one.pixels).size
    gradients = any(one.backward for one in work)
    if max(largest) <= SMALL:
        often = sum(one.forward for one in work) > 1 or gradients
        found, new = measured(prior, largest, device, gradients=gradients, tries=2 if often else 1)
        set_up = found.beyond if new else 0.0
    else:
        total = sum(one.pixels * (one.forward + 2 * one.backward) for one in work)
        # Twice, as the first of a size also takes its memory from the system; together they cost one evaluation at most.
        pixels = min(SHARE * total / (GRADIENT if gradients else 1), math.prod(largest)) / 2
        side = max(SMALL, int(pixels**0.5))
        small = min(largest[0], WARM_UP), min(largest[1], WARM_UP)
        first, warms_up = measured(prior, small, device, gradients=gradients, tries=1)
        found, new = measured(prior, (min(largest[0], side), min(largest[1], side)), device, gradients=gradients, tries=2)
        again = (found.forward + found.backward) * first.pixels / found.pixels
        set_up = max(0.0, first.forward + first.backward - again) if warms_up else 0.0
        set_up += found.beyond * math.prod(largest) / found.pixels if new else 0.0
    least = min(work, key=lambda one: one.pixels)
    low = None
    if 4 * least.pixels <= found.pixels:  # Small windows are mostly overhead.
        low, _ = measured(prior, least.size, device, gradients=False, tries=2)
    seconds = sum(
        relative(one.pixels, found, low) * (one.forward * found.forward + one.backward * found.backward) for one in work
    )
    return seconds + set_up, int(LAYERS * found.layer * max(1.0, math.prod(largest) / found.pixels))


def measured(
    prior: Prior, size: tuple[int, int], device: torch.device, *, gradients: bool, tries: int
) -> tuple[Measured, bool]:
    """The evaluation of a window of this size, rounded down to the network's blocks, and whether it was not yet known."""
    height, width = (max(prior.multiple_of, side // prior.multiple_of * prior.multiple_of) for side in size)
    known = _known.setdefault(prior, {})
    key = height, width, device, gradients
    if (key, tries) not in known:
        better = known.get((key, 2))
        known[key, tries] = better or _evaluated(prior, (height, width), device, gradients, tries)
        return known[key, tries], better is None
    return known[key, tries], False


def _evaluated(prior: Prior, size: tuple[int, int], device: torch.device, gradients: bool, tries: int) -> Measured:
    x = torch.zeros(1, prior.channels, *size, device=device)
    layer = 0

    def seen(part: nn.Module, given: Any, answer: Any) -> None:
        nonlocal layer
        if isinstance(answer, Tensor):
            layer = max(layer, answer.numel() * answer.element_size())

    with torch.no_grad():
        hook = register_module_forward_hook(seen)
        try:
            found = times(lambda: prior(x, 1.0), 1)
        finally:
            hook.remove()
        if tries > 1:
            found += times(lambda: prior(x, 1.0), tries, tries - 1)
    forward, backward = min(found), 0.0
    if gradients:
        x.requires_grad_()
        both = min(times(lambda: torch.autograd.grad(prior(x, 1.0).sum(), x), tries))
        backward = max(0.0, both - forward)
    return Measured(size[0] * size[1], forward, backward, found[0] - forward, layer)


def relative(pixels: int, found: Measured, low: Measured | None) -> float:
    """Seconds of a window over those of the one that was measured, given those of the smallest if that is much smaller."""
    if low is None or not low.pixels < found.pixels or pixels >= found.pixels:
        return pixels / found.pixels * growth(pixels, found.pixels)
    share = max(0.0, (pixels - low.pixels) / (found.pixels - low.pixels))
    return (low.forward + share * (found.forward - low.forward)) / found.forward


def growth(pixels: float, measured: float, rate: float = GROWTH) -> float:
    """Factor of the time per pixel between `pixels` and `measured` pixels."""
    return 1 + rate * max(0.0, math.log2(pixels / measured))


def times(work: Callable[[], object], tries: int = 3, at_least: int = 1) -> list[float]:
    """Seconds of each try: `at_least` of them, and up to `tries` while they take less than `ENOUGH` together."""
    found: list[float] = []
    while len(found) < at_least or (len(found) < tries and sum(found) < ENOUGH):
        before = time.perf_counter()
        work()
        if torch.cuda.is_initialized():  # GPU work is asynchronous.
            torch.cuda.synchronize()
        found.append(time.perf_counter() - before)
    return found
