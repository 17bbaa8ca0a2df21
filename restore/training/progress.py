"""The progress bar of a training run."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from restore.training.budget import Report


@contextmanager
def progress_bar(batch: int) -> Iterator[Callable[[Report], None]]:
    """A progress bar with loss, speed and time left, if stderr is a terminal; yields the function to call after each step."""
    console = Console(stderr=True)
    columns = (
        TextColumn("step {task.fields[step]}"),
        BarColumn(),
        TextColumn("loss {task.fields[loss]:.4f}  {task.fields[speed]:.0f} pictures/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=1.0, step=0, loss=math.nan, speed=0.0)
        recent = deque[tuple[int, float]](maxlen=50)

        def show(report: Report) -> None:
            recent.append((report.step, report.seconds))
            (first, before), (last, now) = recent[0], recent[-1]
            speed = batch * (last - first) / (now - before) if now > before else 0.0
            progress.update(bar, completed=report.progress, step=report.step, loss=report.loss, speed=speed)

        yield show
