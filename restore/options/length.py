"""How long a prior is tuned: a number of steps, or a time."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from restore.errors import UsageError
from restore.wording import called

UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}
WRITTEN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h)?")
MOST_STEPS, MOST_SECONDS = 1_000_000, 24 * 3600.0


@dataclass(frozen=True)
class Length:
    """Steps, or seconds.

    Attributes:
        steps: None where there is a time.
        seconds: None where there are steps.
    """

    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def of(cls, text: str | int) -> Length:
        """The length in words: "200" or 200 for steps; "90s", "2min" or "0.5h" for a time.

        Raises: UsageError for other words, no steps, or more than a day.
        """
        found = WRITTEN.fullmatch(str(text).strip()) if isinstance(text, str | int) and not isinstance(text, bool) else None
        if found is None:
            raise UsageError(f"{called('adapt')}: {text!r} is neither a number of steps nor a time such as 90s or 2min")
        number, unit = float(found[1]), found[2]
        if unit is None and not number.is_integer():
            raise UsageError(f"{called('adapt')}: {text} steps are no whole number; for a time say {text}s or {text}min")
        length = cls(steps=int(number)) if unit is None else cls(seconds=number * UNITS[unit])
        if not 0 < length.total <= (MOST_STEPS if unit is None else MOST_SECONDS):
            raise UsageError(f"{called('adapt')}: {text} is out of range; give 1 step or more, and a day at most")
        return length

    @property
    def total(self) -> int:
        """What `done` counts up to."""
        return self.steps if self.steps is not None else math.ceil(self.seconds or 0)

    def done(self, steps: int, seconds: float) -> int:
        """Of `total`, after some steps and seconds."""
        return min(self.total, steps if self.steps is not None else int(seconds))

    def reached(self, steps: int, seconds: float) -> bool:
        return steps >= self.steps if self.steps is not None else seconds >= (self.seconds or 0)
