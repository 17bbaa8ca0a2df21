"""The length of a training run, and its progress."""

from __future__ import annotations

from dataclasses import dataclass

from restore.errors import UsageError


@dataclass(frozen=True)
class Budget:
    """The length of a training run and its learning rate schedule.

    The run ends after `steps` or `minutes`, whichever comes first. The learning rate rises linearly over `warmup` steps, stays
    constant, and falls linearly to 0 over the last `cooldown` share of the budget. A finished run can be resumed with a larger
    budget: the rate returns to its maximum and falls again at the new end.

    Raises: UsageError if neither `steps` nor `minutes` is given, or a value is out of range.
    """

    steps: int | None = None
    minutes: float | None = None
    warmup: int = 500
    cooldown: float = 0.3

    def __post_init__(self) -> None:
        if self.steps is None and self.minutes is None:
            raise UsageError("training needs an end: steps or minutes")
        if self.warmup < 1 or not 0 < self.cooldown <= 1:
            raise UsageError(f"warmup takes 1 or more steps and cooldown (0, 1], got {self.warmup} and {self.cooldown}")

    def progress(self, step: int, seconds: float) -> float:
        """Share of the budget that is used; 1 or more at the end."""
        shares = [step / self.steps if self.steps else 0.0, seconds / (60 * self.minutes) if self.minutes else 0.0]
        return max(shares)

    def rate(self, step: int, seconds: float) -> float:
        """Factor of the learning rate, in [0, 1]."""
        return min((step + 1) / self.warmup, (1 - self.progress(step, seconds)) / self.cooldown, 1.0)


@dataclass(frozen=True)
class Report:
    """The progress of a training run.

    Attributes:
        step: steps done.
        loss: running mean of the loss.
        seconds: training time, of resumed runs together.
        progress: share of the budget that is used.
        stopped_by: number of the signal that ended the run before its budget; 0 for none.
    """

    step: int
    loss: float
    seconds: float
    progress: float
    stopped_by: int = 0
