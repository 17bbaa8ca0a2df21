"""Options of a task that only the task's own method knows of, where another method was chosen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from restore.errors import UsageError
from restore.guidance import Guidance
from restore.options.checked import Option, describe
from restore.wording import called


def check_own_method(options: Any, own: Guidance | None, chosen: Iterable[Guidance]) -> None:
    """Refuse options that the chosen methods would leave undone.

    A caller names another method with `guidance`; a prior may be made for one, or follow a prompt with one.

    Args:
        options: the task's own; fields with the metadata `own_method` are looked at.
        own: the task's own method, or None where it has none.
        chosen: the methods of the run.

    Raises: UsageError.
    """
    if own is None:
        return
    others = [method for method in chosen if not isinstance(method, type(own))]
    for option in describe(type(options)):
        value, known = getattr(options, option.name), option.metadata.get("own_method", False)
        if not known or not _is_given(option, value) or (known is not True and value not in known):
            continue
        for method in others:
            # One with the same strength does what is asked for.
            if option.picture or getattr(method, option.name, None) != value:
                raise UsageError(
                    f"{called(option.name, None if option.picture else value)} is done by {type(own).__name__}, the task's own "
                    f"method, and {type(method).__name__} was chosen; leave it out, or what chose another method"
                )


def _is_given(option: Option, value: Any) -> bool:
    if option.picture:  # An array does not compare to one value.
        return value is not None and not (isinstance(value, list | tuple) and not value)
    return bool(value != option.default)
