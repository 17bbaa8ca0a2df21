"""How messages speak of options: as keywords in Python, as flags on the command line.

A task writes `called("mask_grow", 0)` in its messages, which is "mask_grow=0" for a caller in Python and "--mask-grow 0" for
one who typed a command.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_typed: ContextVar[bool] = ContextVar("typed", default=False)


@contextmanager
def for_commands() -> Iterator[None]:
    """Inside, messages are for one who typed a command."""
    token = _typed.set(True)
    try:
        yield
    finally:
        _typed.reset(token)


def called(name: str, value: object = None, *, such_as: str = "") -> str:
    """An option as the caller knows it, alone or with a value.

    Args:
        name: of the field, such as "mask_grow".
        value: True for a switch that is on, False for one that is off.
        such_as: in place of a value, what stands for one, such as "N".
    """
    if not _typed.get():
        return name if value is None and not such_as else f"{name}={such_as or repr(value)}"
    flag = ("--no-" if value is False else "--") + name.replace("_", "-")
    return flag if isinstance(value, bool) or (value is None and not such_as) else f"{flag} {such_as or value}"


def told(*, command: str, python: str) -> str:
    """Words that differ by more than an option's name: those for the caller."""
    return command if _typed.get() else python
