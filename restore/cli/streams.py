"""The three standard streams where they are closed, full or shared with what a plugin prints."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any

_asides: list[tuple[int, Any]] = []  # Of each `aside`: the descriptor of the stdout outside, and Python's object.


def open_all() -> None:
    """Opens standard streams that are closed on the null device.

    The next file that is opened would have their number otherwise, and libraries would write their messages into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest free number, which is this one.
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # Open until the end.


class Watched(io.FileIO):
    """A file that remembers why it could not be written; Python forgets, together with what was to be written."""

    fault: OSError | None = None

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.fault = error
            raise


@contextmanager
def watched_stdout() -> Iterator[Callable[[], OSError | None]]:
    """Inside, yields a function that writes what is left to stdout and returns the error where something could not be written.

    Then stdout goes to the null device, as Python would fail again at the end of the program.
    """
    given = sys.__stdout__
    if given is None or sys.stdout is not given:  # None, or what a caller put there.
        yield lambda: None
        return
    raw = Watched(1, "w", closefd=False)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw), given.encoding, given.errors, line_buffering=given.line_buffering, write_through=False
    )
    watched = sys.stdout

    def fault() -> OSError | None:
        with suppress(OSError):
            watched.flush()
        if raw.fault is not None:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.close(null)
        return raw.fault

    try:
        yield fault
    finally:
        with suppress(OSError):
            watched.flush()
        sys.stdout = given


def is_closed_pipe(error: OSError) -> bool:
    """Whether the reader of a pipe has gone, as `head` does."""
    return error.errno == errno.EPIPE


@contextmanager
def aside() -> Iterator[None]:
    """Inside, what is written to stdout goes to stderr, by Python or through file descriptor 1. For code of plugins."""
    if sys.stdout is not None:
        sys.stdout.flush()
    saved = os.dup(1)
    _asides.append((saved, sys.stdout))
    try:
        os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if sys.__stdout__ is not None and not sys.__stdout__.closed:
            sys.__stdout__.flush()  # Of a plugin that wrote there.
        _asides.pop()
        os.dup2(saved, 1)
        os.close(saved)


@contextmanager
def results() -> Iterator[None]:
    """Inside `aside`, what is written to stdout goes there nevertheless. For pictures that are written to it."""
    if not _asides:
        yield
        return
    saved, stdout = _asides[-1]
    redirected = os.dup(1)
    try:
        os.dup2(saved, 1)
        with redirect_stdout(stdout):
            yield
    finally:
        os.dup2(redirected, 1)
        os.close(redirected)
