"""Checks fail by AssertionError alone, whatever the author's code raises."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

Given = ParamSpec("Given")


def asserting(check: Callable[Given, None]) -> Callable[Given, None]:
    """A check whose other exceptions become AssertionErrors that name them; the traceback leads to the author's line."""

    @functools.wraps(check)
    def checked(*arguments: Given.args, **keywords: Given.kwargs) -> None:
        try:
            check(*arguments, **keywords)
        except AssertionError:
            raise
        except Exception as error:
            of = type(arguments[0]).__name__ if arguments else "it"
            raise AssertionError(f"{check.__name__}: {of} raised {type(error).__name__}: {error}") from error

    return checked
