"""Specs, `NAME[:key=value,...]`, as the command line spells samplers and guidance methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from restore.errors import UsageError

Made = TypeVar("Made")
NONE: Mapping[str, Callable[[str], Any]] = MappingProxyType({})


def parse(
    kind: str, text: str, factory_of: Callable[[str], Callable[..., Made]], readers: Mapping[str, Callable[[str], Any]] = NONE
) -> Made:
    """The object that a spec describes: the factory of its name, called with its keys and values.

    Args:
        kind: what the spec is for ("sampler"), for messages.
        text: the spec.
        factory_of: returns the factory of a name; raises UsageError for an unknown one.
        readers: by key, functions that parse values other than numbers.

    Raises: UsageError for an unknown name or key, or a value that cannot be parsed.
    """
    name, _, arguments = text.partition(":")
    factory = factory_of(name)
    given: dict[str, Any] = {}
    for part in filter(None, arguments.split(",")):
        key, _, value = (side.strip() for side in part.partition("="))
        try:
            given[key] = readers.get(key, number)(value)
        except ValueError as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"{kind} {name}: {part!r} is not key=number") from None
    try:
        return factory(**given)
    except TypeError as error:
        said = str(error).partition(") got an ")  # Python's message begins with the name of the function.
        raise UsageError(f"{kind} {name}: {said[2] or said[0]}; write NAME:key=value,key=value") from None
    except UsageError as error:
        raise UsageError(f"{kind} {name}: {error}") from None


def number(text: str) -> int | float:
    """An int if the text has digits only, otherwise a float. Raises ValueError for anything that is not a number."""
    return int(text) if text.isdecimal() else float(text)


def check_range(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raises UsageError unless the setting's value lies in [low, high]."""
    if not low <= value <= high:
        raise UsageError(f"{name} is {value}; give {f'{low} or more' if high == math.inf else f'{low} to {high}'}")


def check_integer(name: str, value: object) -> None:
    """Raises UsageError unless the setting's value is an int."""
    if not isinstance(value, int):
        raise UsageError(f"{name} is {value}; give a whole number")
