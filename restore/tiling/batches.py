"""All samples of one problem by one method, as many in a batch as are worth it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from restore.guidance.guidance import Guidance
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling.samplers import Sampler
from restore.tiling.solve import Plan, Progress, solve, together


@dataclass(frozen=True)
class Run:
    """Draws one sample a name.

    Attributes:
        names: what each sample's noise is drawn for.
        tolerance: see `solve`.
    """

    problem: Problem
    prior: Prior
    method: Guidance
    sampler: Sampler
    planned: Plan
    names: tuple[str, ...]
    seed: int
    device: torch.device
    tolerance: float | None = None

    @property
    def batch(self) -> int:
        """Samples that go through together."""
        largest = max(((bottom - top) * (right - left) for top, bottom, left, right in self.planned.boxes), default=1)
        return together(largest, self.device)

    @property
    def steps(self) -> int:
        """Transitions of all batches."""
        return -(-len(self.names) // self.batch) * self.planned.steps

    def events(self) -> Iterator[Progress]:
        """Transitions, counted over all batches; `done` holds a batch's pictures when it ends."""
        before, steps = 0, self.steps  # Transitions made by earlier batches, and by all.
        for first in range(0, len(self.names), self.batch):
            others = steps - self.planned.steps
            for progress in solve(
                self.problem,
                self.prior,
                self.method,
                self.sampler,
                self.planned,
                seed=self.seed,
                names=self.names[first : first + self.batch],
                device=self.device,
                tolerance=self.tolerance,
            ):
                yield Progress(before + progress.step, others + progress.steps, progress.x, progress.done)
            before, steps = before + progress.step, others + progress.steps
