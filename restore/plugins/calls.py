"""Guards around the calls of third-party objects, so that a fault names the plugin, its distribution and the call.

An object of a plugin becomes an instance of a subclass of its own class: `isinstance`, `replace` and copies work as before, and
calls of the toolkit as well as those of the plugin to itself are guarded. What they return is checked (`checks`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from restore.device.memory import is_lack_of_memory
from restore.errors import PluginError, RestoreError
from restore.options.checked import build

TOOLKIT = ("restore", "restore_plugins")
# Modules whose classes check what they are made of. What they refuse inside a call of a plugin is the plugin's fault.
REFUSING = ("restore.problem", "restore.images.picture", "restore.noise.model", "restore.priors.prior")

KEYWORDS = ("unexpected keyword argument", "required positional", "required keyword")  # In Python's messages of calls.

Check = Callable[["Origin", str, Any, tuple[Any, ...], Any], Any]
"""Of (origin, call, object, arguments, result): the result, its own objects guarded. Raises PluginError."""


@dataclass(frozen=True)
class Origin:
    """Where an object comes from, for messages.

    Attributes:
        what: kind and name, such as `task 'polish'`.
        distribution: the package, with its version.
        error: class of the errors.
    """

    what: str
    distribution: str
    error: type[PluginError] = PluginError

    def fault(self, call: str, said: str) -> PluginError:
        """The error for a call that went wrong."""
        return self.error(f"{self.what} of {self.distribution} is at fault: {call} {said}")


@contextmanager
def blame(origin: Origin, call: str) -> Iterator[None]:
    """Inside, exceptions become PluginErrors; lack of memory, and what the toolkit or click raises on purpose, stay."""
    try:
        yield
    except (KeyboardInterrupt, PluginError):
        raise
    except BaseException as error:  # SystemExit, too: a plugin does not end the program.
        try:
            said, passes = str(error), is_lack_of_memory(error)
        except Exception:  # Of an error that cannot be said.
            said, passes = "", False
        toolkits = isinstance(error, RestoreError) and _innermost(error) not in REFUSING
        if passes or toolkits or type(error).__module__.startswith("click."):
            raise
        raise origin.fault(call, f"raised {' '.join(f'{type(error).__name__}: {said}'.split()).rstrip(': ')}") from error


def _innermost(error: BaseException) -> str:
    """The module that raised an error."""
    trace, name = error.__traceback__, ""
    while trace is not None:
        name, trace = trace.tb_frame.f_globals.get("__name__", ""), trace.tb_next
    return name


def is_foreign(kind: type) -> bool:
    """Whether a class was defined outside the toolkit."""
    return kind.__module__.partition(".")[0] not in TOOLKIT


def guarded(thing: Any, origin: Origin, methods: Mapping[str, Check]) -> Any:
    """The object itself, with these methods guarded from now on. Objects of a class that has no subclasses stay as they are.

    Args:
        methods: the names of methods and properties, with the check of what they return.
    """
    kind: Any = type(thing)
    if hasattr(kind, "_restore_origin"):
        return thing
    items: Any = tuple(methods.items())
    with suppress(TypeError):
        object.__setattr__(thing, "__class__", _guarding(kind, origin, items))
    return thing


@functools.cache
def _guarding(kind: type, origin: Origin, methods: tuple[tuple[str, Check], ...]) -> type:
    own = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__, "__slots__": ()}
    guards = {name: _guard(kind, name, origin, check) for name, check in methods if hasattr(kind, name)}
    made: type = type(kind)(kind.__name__, (kind,), {**own, **guards, "_restore_origin": origin})
    return made


def _guard(kind: type, name: str, origin: Origin, check: Check) -> Any:
    call = f"{kind.__name__}.{name}"
    inner: Any = inspect.getattr_static(kind, name)
    is_value = isinstance(inner, property | functools.cached_property)

    def guard(self: Any, *arguments: Any, **keywords: Any) -> Any:
        with blame(origin, call):
            bound = inner.__get__(self, type(self))
            return check(origin, call, self, arguments, bound if is_value else bound(*arguments, **keywords))

    return property(guard) if is_value else functools.wraps(inner, updated=())(guard)


def build_options(task: Any, **keywords: Any) -> Any:
    """A task's options from keywords; errors as for `checked.build`, and PluginError where a plugin's class fails."""
    with guarding(task, "Options"):
        return build(task.Options, **keywords)


def guarding(thing: Any, call: str) -> AbstractContextManager[None]:
    """`blame` for an object, if it is one of a plugin; for code that uses it other than by calls."""
    origin = getattr(type(thing), "_restore_origin", None)
    return nullcontext() if origin is None else blame(origin, f"{type(thing).__name__}.{call}")


def guarded_factory(factory: Callable[..., Any], origin: Origin, check: Check) -> Callable[..., Any]:
    """A plugin's factory, guarded. The TypeError for an unknown or missing keyword passes: the caller chose the keywords."""

    def make(*arguments: Any, **keywords: Any) -> Any:
        wrong: TypeError | None = None
        with blame(origin, "its factory"):
            try:
                made = factory(*arguments, **keywords)
            except TypeError as error:
                if not any(said in str(error) for said in KEYWORDS):
                    raise
                wrong = error
            else:
                return check(origin, "its factory", factory, arguments, made)
        assert wrong is not None
        raise wrong

    made: Any = make
    made.__wrapped__, made.__doc__ = factory, factory.__doc__  # For inspect.signature, and for help.
    if hasattr(factory, "input_shape"):
        made.input_shape = factory.input_shape
    return make
