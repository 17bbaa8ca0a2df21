"""Messages and progress on stderr; stdout is for results alone.

The level of the logger `restore` selects them: errors only with -q, details too with -v, tracebacks too with -vv.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

logger = logging.getLogger("restore")
TRACES = 5
COLOURS = {logging.WARNING: "\033[33m", logging.ERROR: "\033[31m"}
PREFIXES = {logging.WARNING: "warning: ", logging.ERROR: "error: "}


class Messages(logging.Handler):
    """Prints each log record as a line on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = PREFIXES.get(record.levelno, "")
        if prefix and sys.stderr.isatty() and "NO_COLOR" not in os.environ:
            prefix = f"{COLOURS[record.levelno]}{prefix}\033[0m"
        with suppress(OSError, ValueError):  # A full, closed or hung-up stderr is no reason to stop.
            print(f"{prefix}{record.getMessage()}", file=sys.stderr, flush=True)


@contextmanager
def messages() -> Iterator[None]:
    """Inside, the toolkit's log goes to stderr."""
    handler, level = Messages(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def set_level(quiet: bool, verbose: int) -> None:
    """Set the log level: -q keeps errors only, -v adds details, -vv tracebacks."""
    logger.setLevel(logging.ERROR if quiet else (logging.INFO, logging.DEBUG, TRACES)[min(verbose, 2)])


def error(text: str) -> None:
    """Print one line, an error."""
    logger.error("%s", text)


def trace() -> None:
    """With -vv, print the traceback of the exception being handled."""
    if logger.isEnabledFor(TRACES):
        with suppress(OSError, ValueError):
            traceback.print_exc(file=sys.stderr)


def bug(raised: Exception, of: str = "") -> None:
    """Report an unexpected exception in one line; with -vv also its traceback."""
    said = " ".join(f"{type(raised).__name__}: {raised}".split())
    error(f"{of}this is a bug, please report it with the output of -vv ({said})")
    trace()


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar with the time left, if stderr is a terminal; yields the function to call with (step, steps)."""
    if not sys.stderr.isatty() or not logger.isEnabledFor(logging.INFO):
        yield lambda step, steps: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(title.replace("[", "\\["), total=None)
        yield lambda step, steps: bar.update(task, completed=step, total=steps)
