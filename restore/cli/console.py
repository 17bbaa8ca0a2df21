"""Messages and progress on stderr; stdout is for results alone.

The level of the logger `restore` selects them: errors only with -q, details too with -v, tracebacks too with -vv.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

logger = logging.getLogger("restore")
TRACES = 5
_picture: ContextVar[str | None] = ContextVar("picture", default=None)
_said: ContextVar[dict[str, int] | None] = ContextVar("said", default=None)  # Messages of one picture, and how often.
COLOURS = {logging.WARNING: "\033[33m", logging.ERROR: "\033[31m"}
PREFIXES = {logging.WARNING: "warning: ", logging.ERROR: "error: "}


class Messages(logging.Handler):
    """Prints each log record as a line on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = PREFIXES.get(record.levelno, "")
        if prefix and sys.stderr.isatty() and "NO_COLOR" not in os.environ:
            prefix = f"{COLOURS[record.levelno]}{prefix}\033[0m"
        text, picture = record.getMessage(), _picture.get()
        if picture is not None and picture not in text:
            text = f"{picture}: {text}"
        if self._is_repeated(record, text):
            return
        text = one_line(text)
        with suppress(OSError, ValueError):  # A full, closed or hung-up stderr is no reason to stop.
            print(f"{prefix}{text}", file=sys.stderr, flush=True)

    def _is_repeated(self, record: logging.LogRecord, text: str) -> bool:
        """Whether a frame says what one before has said: the same warning, or a finding of the same kind."""
        said = _said.get()
        if said is None or record.levelno >= logging.ERROR or logger.isEnabledFor(logging.DEBUG):
            return False
        kind = text if record.levelno == logging.WARNING else record.msg
        said[kind] = said.get(kind, 0) + 1
        return said[kind] > 1


def one_line(text: str) -> str:
    """Text without line breaks and control characters, which stand in names of files: \\n, \\x1b and so on."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def spelled(path: str) -> str:
    """A path in one line: as it is, or as bash takes it, $'a\\nb.png'. With --json names are exact."""
    if path.isprintable():
        return path
    quoted = one_line(path.replace("\\", "\\\\").replace("'", "\\'"))
    return "$'" + re.sub(r"\\udc([89a-f][0-9a-f])", r"\\x\1", quoted) + "'"  # Bytes of a name that is no UTF-8.


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
def about(picture: str | None) -> Iterator[None]:
    """Inside, messages that do not name the picture begin with its name; None leaves them as they are.

    What is said of one frame is not said of the others, unless -v is given.
    """
    token, before = _picture.set(picture), _said.set({})
    try:
        yield
    finally:
        _picture.reset(token)
        _said.reset(before)


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar with the time left, if stderr is a terminal; yields the function to call with (step, steps)."""
    with progress_of(1) as show:
        yield lambda step, steps: show(step / steps, title)


@contextmanager
def progress_of(pictures: int) -> Iterator[Callable[[float, str], None]]:
    """A progress bar over all pictures with the time left for them, if stderr is a terminal.

    Yields: the function to call with the number of pictures that are done, with its fraction, and the name of the present one.
    """
    if not sys.stderr.isatty() or not logger.isEnabledFor(logging.INFO):
        yield lambda done, name: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    both = sys.stdout.isatty()  # Paths of results would be written into the bar.
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=both) as bar:
        task = bar.add_task("", total=pictures)

        def show(done: float, name: str) -> None:
            place = f"{min(int(done) + 1, pictures)}/{pictures} " if pictures > 1 else ""
            bar.update(task, completed=done, description=f"{place}{name}".replace("[", "\\["))

        yield show
