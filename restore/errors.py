"""The exceptions of the toolkit. Each message says what was given, what is wrong and what to do.

RestoreError                     any error that the caller can correct                         exit code 1
├── UsageError                   an unknown task, option or name, or a wrong value             exit code 2
├── PictureError                 a picture or mask that cannot be read, used or written        exit code 1
├── PriorError                   a model that is missing, damaged or not supported             exit code 3
├── OperatorError                an operator that the chosen guidance cannot use               exit code 2
├── OutOfMemoryError             a run that does not fit into memory                           exit code 4
└── PluginError                  a fault of a package that is not the toolkit's                exit code 5
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RestoreError(Exception):
    """Base class of all exceptions that the toolkit raises on purpose.

    Attributes:
        exit_code: exit status of the command line.
    """

    exit_code = 1


class UsageError(RestoreError, ValueError):
    """An unknown task, option or name, or a wrong value."""

    exit_code = 2


class PictureError(RestoreError, ValueError):
    """A picture or mask that cannot be read, used or written."""

    exit_code = 1


class PriorError(RestoreError):
    """A model that is missing, damaged or not supported. The message is one line, whatever the model's files are called."""

    exit_code = 3

    def __init__(self, message: object = "") -> None:
        super().__init__("".join(part if part.isprintable() else repr(part)[1:-1] for part in str(message)))


class OperatorError(RestoreError, TypeError):
    """An operator that the chosen guidance cannot use."""

    exit_code = 2


class OutOfMemoryError(RestoreError, MemoryError):
    """A run that does not fit into memory."""

    exit_code = 4


class PluginError(RestoreError):
    """A plugin raised what it should not, or returned what its interface does not allow."""

    exit_code = 5


class PluginPriorError(PluginError, PriorError):
    """A plugin's loader of priors failed, so that no picture can be restored."""


def suggest(given: str, known: Iterable[str]) -> str:
    """The end of an error message about an unknown name: the nearest known names, or all of them if none is near."""
    known = sorted(known)
    near = difflib.get_close_matches(given, known, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(repr(name) for name in near)}?"
    return f"known: {', '.join(known)}" if known else "none is installed"
