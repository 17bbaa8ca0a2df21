"""What a plugin's hooks return, checked against the hook specifications."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pluggy

from restore.errors import suggest
from restore.options.checked import describe
from restore.plugins import hookspecs
from restore.task import Task

# Subcommands that are not tasks; no task may have their names.
COMMANDS = frozenset({"diagnose", "evaluate", "help", "models", "ops", "plugins", "rerun", "sample", "schema", "train"})
NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


class RefusedError(Exception):
    """A plugin does not keep to the hook specifications."""


def contributions(module: Any) -> dict[tuple[str, str], Any]:
    """What the hooks of a plugin return, checked.

    Each plugin has a pluggy manager of its own, so that an error is reported for the plugin that caused it.
    """
    manager = pluggy.PluginManager("restore")
    manager.add_hookspecs(hookspecs)
    manager.register(module)
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        unknown = str(error).partition("unknown hook ")[2].split(" ")[0].strip("'")
        raise RefusedError(f"unknown hook {unknown!r}; {suggest(unknown, _HOOKS)}" if unknown else str(error)) from None
    if not manager.get_hookcallers(module):
        raise RefusedError(f"has no function marked @hookimpl; hooks: {', '.join(sorted(_HOOKS))}")
    found: dict[tuple[str, str], Any] = {}
    for hook, (kind, items) in _HOOKS.items():
        for given in getattr(manager.hook, hook)():
            for name, value in items(hook, given):
                if (kind, name) in found:
                    raise RefusedError(f"{hook} returns {name!r} twice")
                found[kind, name] = value
    return found


def _tasks(hook: str, given: Any) -> Iterator[tuple[str, Any]]:
    for task in given:
        if not isinstance(task, Task):
            raise RefusedError(f"{hook} returns {task!r}, not a Task object")
        name = getattr(task, "name", None)
        if not (isinstance(name, str) and NAME.fullmatch(name)) or name in COMMANDS:
            raise RefusedError(
                f"{type(task).__name__}.name is {name!r}; give a name in lower case, with hyphens, that is not a command"
            )
        if not isinstance(getattr(task, "help", None), str):
            raise RefusedError(f"task {name} has no help; give one line of text")
        try:
            describe(getattr(task, "Options", type(None)))
        except TypeError as error:
            raise RefusedError(f"task {name}: {error}") from None
        yield name, task


def _factories(hook: str, given: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(given, Mapping):
        raise RefusedError(f"{hook} returns a {type(given).__name__}, not a mapping of names")
    for name, factory in given.items():
        if not (isinstance(name, str) and NAME.fullmatch(name)):
            raise RefusedError(f"{hook}: {name!r} is not a valid name; give one in lower case, with hyphens")
        if not callable(factory):
            raise RefusedError(f"{hook}: {name} is {factory!r}, which cannot be called")
        yield name, factory


def _commands(hook: str, given: Any) -> Iterator[tuple[str, Any]]:
    import click

    if not isinstance(given, Mapping):
        raise RefusedError(f"{hook} returns a {type(given).__name__}, not a mapping of names")
    for name, command in given.items():
        if not (isinstance(name, str) and NAME.fullmatch(name)) or name in COMMANDS:
            raise RefusedError(f"{hook}: {name!r}; give a name in lower case, with hyphens, that the toolkit has not")
        if not isinstance(command, click.Command):
            raise RefusedError(f"{hook}: {name} is a {type(command).__name__}, not a click command")
        yield name, command


_HOOKS: dict[str, tuple[str, Callable[[str, Any], Iterator[tuple[str, Any]]]]] = {
    "restore_tasks": ("task", _tasks),
    "restore_guidances": ("guidance", _factories),
    "restore_priors": ("prior", _factories),
    "restore_operators": ("operator", _factories),
    "restore_commands": ("command", _commands),
}
