"""One stage of a degradation: an operator by name, or noise."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from restore.errors import OperatorError, UsageError, suggest
from restore.options.spec import number
from restore.plugins import manager

if TYPE_CHECKING:
    from restore.operators.operator import Operator

Shape = tuple[int, int, int]
NOISE = "noise"


@dataclass(frozen=True)
class Stage:
    """`NAME`, or `NAME:VALUE,KEY=VALUE`; values without keys are in the order of the factory's arguments.

    Attributes:
        name: of an operator that a plugin provides, or "noise".
        arguments: of its factory, beside the shape.
    """

    name: str
    arguments: Mapping[str, Any]

    def operator(self, shape: Shape) -> Operator:
        """The operator for pictures (C, H, W).

        Raises: UsageError for an argument that is missing or not of the operator; OperatorError, PictureError for values.
        """
        made: Operator = self._called(factory(self.name), shape)
        return made

    def input_shape(self, shape: Shape) -> Shape:
        """The shape (C, H, W) of pictures of which the operator makes `shape`: what the factory's `input_shape` says, or the
        same.
        """
        of = getattr(factory(self.name), "input_shape", None)
        return shape if of is None else self._called(of, shape)

    def _called(self, function: Callable[..., Any], shape: Shape) -> Any:
        try:
            return function(shape, **self.arguments)
        except OperatorError as error:
            raise OperatorError(f"{self.name}: {error}") from None


def parse_stages(text: str) -> tuple[Stage, ...]:
    """The stages of a text, in the order in which they happened.

    Raises: UsageError for an unknown name or argument, a value without its key behind one that has it, or an empty stage.
    """
    return tuple(_parsed(part.strip(), text) for part in text.split("|"))


def _parsed(part: str, text: str) -> Stage:
    name, _, rest = (side.strip() for side in part.partition(":"))
    if not name:
        raise UsageError(f"{text!r} has an empty stage; write NAME:VALUE | NAME:VALUE")
    known = parameters(name)
    arguments: dict[str, Any] = {}
    for index, piece in enumerate(rest.split(",") if rest else []):
        key, equals, value = (side.strip() for side in piece.partition("="))
        if not equals:
            if index >= len(known) or len(arguments) != index or list(known)[:index] != list(arguments):
                takes = f"takes {', '.join(f'{one}=...' for one in known)}" if known else "takes no values"
                raise UsageError(f"{name} {takes}; got {piece!r}")
            key, value = list(known)[index], key
        if key not in known:
            raise UsageError(f"{name} has no {key!r}; {suggest(key, known)}" if known else f"{name} takes no values")
        if key in arguments:
            raise UsageError(f"{name} is given {key!r} twice")
        try:
            arguments[key] = number(value)
        except ValueError:
            arguments[key] = value
    missing = [key for key, parameter in known.items() if parameter.default is parameter.empty and key not in arguments]
    if missing:
        raise UsageError(f"{name} needs {' and '.join(missing)}: {name}:{','.join(f'{key}=...' for key in missing)}")
    for key, value in arguments.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{name}: {key} is {value}; give a finite number")
    if name == NOISE and (isinstance(arguments["sigma"], str) or arguments["sigma"] < 0):
        raise UsageError(f"noise takes a standard deviation in grey levels, 0 or more; got {arguments['sigma']!r}")
    return Stage(name, MappingProxyType(arguments))


def parameters(name: str) -> dict[str, inspect.Parameter]:
    """The arguments of an operator by name, beside the shape; errors as for `factory`."""
    _, *found = inspect.signature(factory(name)).parameters.values()
    return {one.name: one for one in found if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}


def factory(name: str) -> Callable[..., Any]:
    """The factory of a name. Raises UsageError for one that nothing provides."""
    if name == NOISE:
        return white_noise
    plugins = manager.load()
    if name not in plugins.operators and ("operator", name) not in plugins.clashes:
        raise UsageError(f"unknown operator {name!r}; {suggest(name, [*plugins.operators, NOISE])}")
    return plugins.operator(name)


def white_noise(shape: Shape, sigma: float) -> Any:
    """Add white Gaussian noise of standard deviation `sigma` in grey levels (0-255)."""
    raise UsageError("noise is no operator; use a Degradation, which has its level")
