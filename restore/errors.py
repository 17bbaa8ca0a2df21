"""Every error a person can cause, as one tree.

RestoreError                     something the caller can put right; the message says what, what was given, what to do
├── UsageError                   wrong words: unknown task, option, guidance, plugin clash     exit code 2
├── PictureError                 a picture or mask that cannot be read, used or written        exit code 1
├── PriorError                   a model that is missing, refused or not what it claims        exit code 3
├── OperatorError                an operator the chosen guidance cannot use                    exit code 2
└── OutOfMemoryError             a run that does not fit                                       exit code 4
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RestoreError(Exception):
    """Base of every error raised on purpose; `exit_code` is what the command line ends with."""

    exit_code = 1


class UsageError(RestoreError, ValueError):
    exit_code = 2


class PictureError(RestoreError, ValueError):
    exit_code = 1


class PriorError(RestoreError):
    exit_code = 3


class OperatorError(RestoreError, TypeError):
    exit_code = 2


class OutOfMemoryError(RestoreError, MemoryError):
    exit_code = 4


def suggest(given: str, known: Iterable[str]) -> str:
    """A clause for an error about a misspelt name: the nearest known names, or all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(given, known, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(repr(name) for name in near)}?"
    return f"known: {', '.join(known)}" if known else "none is installed"
