"""Options dataclasses as checked keywords. `restore.cli` turns them into flags, and into a JSON schema."""

from __future__ import annotations

import dataclasses
import math
import numbers
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from restore.errors import UsageError, suggest
from restore.options.run_options import RESERVED, RunOptions, Scope, of_scope
from restore.wording import called

Built = TypeVar("Built")

SCHEMA_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string"}
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}


@dataclass(frozen=True)
class Option:
    """One field of an options dataclass, with its type resolved.

    Attributes:
        kind: bool, int, float, str or Path; `object` for a picture.
        nullable: None is also a value.
        minimum, maximum: the range of the value, ends included.
        picture: the value is a picture: a path, or an object that `as_picture` takes.
        several: the value is a list of pictures; one alone is taken, too.
        prior: the value is a prior: its name, which the toolkit loads, or a `Prior`.
        required: the option must be given.
        above: the value must be larger than this.
        others: types accepted besides `kind` and not converted, such as a `Guidance` in place of its name.
        named: words accepted in place of a number, as "auto" in `int | Literal["auto"]`.
        metadata: the field's metadata, which also holds what `restore.cli.flags` needs.
    """

    name: str
    kind: type
    nullable: bool
    default: Any
    help: str = ""
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    picture: bool = False
    several: bool = False
    prior: bool = False
    required: bool = False
    above: float | None = None
    others: tuple[type, ...] = ()
    named: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def range(self) -> str:
        """The range in words, such as `2 or more` or `0 to 255`; empty if there is none."""
        if self.above is not None:
            return f"above {self.above}" + ("" if self.maximum is None else f", up to {self.maximum}")
        if self.minimum is None:
            return "" if self.maximum is None else f"{self.maximum} or less"
        return f"{self.minimum} or more" if self.maximum is None else f"{self.minimum} to {self.maximum}"

    @property
    def wanted(self) -> str:
        """The values accepted, in words, such as `a whole number or auto`."""
        return " or ".join([WORDS[self.kind], *self.named])

    def check(self, value: Any) -> Any:
        """The value, converted to the field's type.

        Raises: UsageError for another type, a value out of range or not among the choices.
        """
        if self.picture or (value is None and self.nullable) or (isinstance(value, str) and value in self.named):
            return value
        if self.prior and not isinstance(value, str):
            return _checked_prior(called(self.name), value)
        value = self._typed(value)
        if self.choices and value not in self.choices:
            raise UsageError(f"{called(self.name)}: {value!r} is none of {', '.join(map(str, self.choices))}")
        if self.others and not isinstance(value, str):
            return value
        low = (self.minimum is not None and value < self.minimum) or (self.above is not None and value <= self.above)
        if low or (self.maximum is not None and value > self.maximum):
            raise UsageError(f"{called(self.name)}: {value} is out of range; give {self.range}")
        return value

    def parse(self, text: str) -> Any:
        """The value of a text on the command line; errors as for `check`."""
        if text in self.named:
            return text
        if self.picture or self.kind is Path:
            return Path(text)
        if self.kind in (int, float):
            try:
                return self.check(self.kind(text))
            except ValueError as error:
                if isinstance(error, UsageError):
                    raise
                raise UsageError(f"{called(self.name)}: {text!r} is not {self.wanted}") from None
        return self.check(text)

    def _typed(self, value: Any) -> Any:
        truth = isinstance(value, bool)
        if self.others and isinstance(value, self.others) and not truth:
            return value
        if self.kind is int and isinstance(value, numbers.Integral) and not truth:
            return int(value)
        if self.kind is float and isinstance(value, numbers.Real) and not truth and _is_finite(value):
            return float(value)
        if self.kind is Path and isinstance(value, str | Path):
            return Path(value)
        if self.kind in (bool, str) and isinstance(value, self.kind):
            return value
        raise UsageError(f"{called(self.name)}: {value!r} ({type(value).__name__}) is not {self.wanted}")


def _checked_prior(name: str, value: Any) -> Any:
    from restore.priors.prior import Prior  # Whoever has one has loaded torch.

    if not isinstance(value, Prior):
        raise UsageError(f"{name}: {value!r} ({type(value).__name__}) is neither a Prior nor the name of one")
    return value


def _is_finite(value: numbers.Real) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # A whole number beyond the range of floats.
        return False


def describe(kind: type) -> tuple[Option, ...]:
    """The fields of an options dataclass as `Option`s.

    Raises: TypeError, with a message for the plugin's author, if it is no dataclass or a field cannot be an option.
    """
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise TypeError(f"Options is {kind!r}, not a dataclass")
    try:
        hints = typing.get_type_hints(kind)
    except Exception as error:
        raise TypeError(f"Options: types cannot be resolved at run time ({error})") from None
    reserved = frozenset() if kind is RunOptions else RESERVED
    return tuple(_option(field, hints[field.name], reserved) for field in dataclasses.fields(kind) if field.init)


def _option(field: dataclasses.Field[Any], hint: Any, reserved: frozenset[str]) -> Option:
    if field.name in reserved:
        raise TypeError(f"Options.{field.name}: the toolkit has an option of that name; choose another")
    if field.default is not dataclasses.MISSING:
        default = field.default
    elif field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    else:
        raise TypeError(f"Options.{field.name} has no default")
    told: Mapping[str, Any] = field.metadata
    picture = bool(told.get("picture", False))
    kind, others, choices, named, nullable = _unwrap(hint)
    prior = bool(told.get("prior", False))
    if prior:
        kind, others, choices, named = str, (), (), ()
    elif picture:
        kind, named = object, tuple(told.get("words", ()))
    elif kind not in SCHEMA_TYPES:
        names = ", ".join(known.__name__ for known in SCHEMA_TYPES)
        raise TypeError(f"Options.{field.name} is of type {hint}; use {names}, Optional of those, or a picture or prior")
    option = Option(
        name=field.name,
        kind=kind,
        nullable=nullable or default is None,
        default=default,
        help=str(told.get("help", "")),
        choices=tuple(told.get("choices", choices)),
        minimum=told.get("min"),
        maximum=told.get("max"),
        picture=picture,
        several=bool(told.get("several", False)),
        prior=prior,
        required=bool(told.get("required", False)),
        above=told.get("above"),
        others=others,
        named=named,
        metadata=told,
    )
    try:
        option.check(default)
    except UsageError as error:
        raise TypeError(f"Options.{field.name}: its default is refused by its own rules: {error}") from None
    return option


def _unwrap(hint: Any) -> tuple[Any, tuple[type, ...], tuple[Any, ...], tuple[str, ...], bool]:
    """Of a type hint: the type inside Optional, other accepted types, the choices of a Literal, the words accepted in place of
    a number, and whether None is a value.
    """
    parts, nullable = [hint], False
    if typing.get_origin(hint) in (Union, types.UnionType):
        parts = [part for part in typing.get_args(hint) if part is not type(None)]
        nullable = len(parts) < len(typing.get_args(hint))
    if len(parts) > 1 and str in parts:
        return str, tuple(part for part in parts if part is not str), (), (), nullable
    literals = [part for part in parts if typing.get_origin(part) is Literal]
    plain = [part for part in parts if part not in literals]
    if len(parts) == 2 and len(literals) == 1 and plain[0] in (int, float):
        return plain[0], (), (), typing.get_args(literals[0]), nullable
    if len(parts) == 1 and literals:
        choices = typing.get_args(parts[0])
        return type(choices[0]), (), choices, (), nullable
    return (parts[0] if len(parts) == 1 else hint), (), (), (), nullable


def build(kind: type[Built], /, **keywords: Any) -> Built:
    """An options object from keywords.

    Raises: UsageError for an unknown or missing keyword, or a value of the wrong type, out of range or not among the choices.
    """
    options = {option.name: option for option in describe(kind)}
    for name in keywords:
        if name not in options:
            raise UsageError(f"unknown option {name!r}; {suggest(name, options)}")
    for option in options.values():
        if option.required and keywords.get(option.name) is None:
            raise UsageError(f"{called(option.name)} must be given" + (f": {option.help}" if option.help else ""))
    return kind(**{name: options[name].check(value) for name, value in keywords.items()})


def run_options(scope: Scope, keywords: Mapping[str, Any]) -> RunOptions:
    """The `RunOptions` of keywords that belong to one scope; errors as for `build`."""
    known = of_scope(scope)
    for name in keywords:
        if name not in known:
            raise UsageError(f"unknown option {name!r}; {suggest(name, known)}")
    return build(RunOptions, **keywords)
