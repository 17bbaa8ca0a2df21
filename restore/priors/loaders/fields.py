"""Kinds of values in a config, and the check of an object against them. Nothing in a config is trusted."""

from __future__ import annotations

import reprlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from restore.errors import PriorError, suggest

# Keys by which transformers and diffusers name code inside a model folder. No code of a model is ever run.
CODE = ("auto_map", "custom_pipelines", "custom_pipeline", "trust_remote_code")


class Kind(ABC):
    """What a value may be."""

    @property
    @abstractmethod
    def expected(self) -> str:
        """The end of "... must be", for errors."""

    @abstractmethod
    def accepts(self, value: Any) -> bool:
        """Whether a value, of any type, is one of these."""


@dataclass(frozen=True)
class Nothing(Kind):
    """null."""

    expected = "null"

    def accepts(self, value: Any) -> bool:
        return value is None


@dataclass(frozen=True)
class Flag(Kind):
    """true or false."""

    expected = "true or false"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, bool)


@dataclass(frozen=True)
class Text(Kind):
    """Any word."""

    expected = "a word"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str) and len(value) <= 200


@dataclass(frozen=True)
class Choice(Kind):
    """One of some words or numbers."""

    choices: tuple[Any, ...]

    @property
    def expected(self) -> str:
        return f"one of {', '.join(map(str, self.choices))}"

    def accepts(self, value: Any) -> bool:
        # Types are compared too: 1 == 1.0 == True.
        return any(type(value) is type(choice) and value == choice for choice in self.choices)


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number from `low` to `high`."""

    low: int
    high: int

    @property
    def expected(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True)
class Number(Kind):
    """A finite number from `low` to `high`."""

    low: float
    high: float

    @property
    def expected(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True)
class Listed(Kind):
    """A list of `least` to `most` values of one kind."""

    item: Kind
    least: int
    most: int

    @property
    def expected(self) -> str:
        return f"a list of {self.least} to {self.most} values, each {self.item.expected}"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, list | tuple) and self.least <= len(value) <= self.most and all(map(self.item.accepts, value))


@dataclass(frozen=True)
class Object(Kind):
    """A JSON object, whose contents are checked apart."""

    expected = "an object"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, Mapping)


@dataclass(frozen=True)
class Either(Kind):
    """A value of any of some kinds."""

    kinds: tuple[Kind, ...]

    @property
    def expected(self) -> str:
        return " or ".join(kind.expected for kind in self.kinds)

    def accepts(self, value: Any) -> bool:
        return any(kind.accepts(value) for kind in self.kinds)


def optional(kind: Kind) -> Either:
    """The kind, or null."""
    return Either((kind, Nothing()))


def check_fields(
    given: Any, fields: Mapping[str, Kind], where: str, *, required: Collection[str] = (), more: bool = False
) -> dict[str, Any]:
    """Check an object of a config.

    Args:
        given: any value that JSON can hold; tuples count as lists.
        where: what the object is, for errors.
        required: fields that must be given.
        more: leave other fields alone, as diffusers does, rather than refuse them.

    Returns: the object.

    Raises: PriorError if it is no object, names code, lacks a field, or one has a wrong type or range or is unknown.
    """
    if not isinstance(given, Mapping):
        raise PriorError(f"{where} must be an object, got {shown(given)}")
    for name in CODE:
        if given.get(name):
            raise PriorError(f"{where} names code of its own ({name}), which is never run; save the model without it")
    for name in required:
        if name not in given:
            raise PriorError(f"{where} has no {name}")
    for name, value in given.items():
        if name not in fields:
            if more:
                continue
            raise PriorError(f"{where} has an unknown field {shown(name)}; {suggest(str(name)[:100], fields)}")
        if not fields[name].accepts(value):
            raise PriorError(f"{where}: {name} must be {fields[name].expected}, got {shown(value)}")
    return dict(given)


def shown(value: Any) -> str:
    """A value of a config or a name in a file as a short line, whatever it holds."""
    return _SHORT.repr(value)


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist, self.maxtuple = 2, 2, 4, 4
        self.maxstring, self.maxlong, self.maxother = 80, 30, 80


_SHORT = _Short()
