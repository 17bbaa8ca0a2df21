"""The plugin manager.

Plugins are loaded one by one. A plugin that fails to load causes a warning; a name that two plugins provide causes an error
when it is used. In a name of the toolkit the toolkit comes first, with a warning. Objects of other packages are guarded
(`calls`).
"""

from __future__ import annotations

import functools
import logging
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from importlib import metadata
from types import MappingProxyType
from typing import Any, NamedTuple

import pluggy

from restore.device.memory import is_lack_of_memory
from restore.errors import PluginError, PluginPriorError, UsageError, suggest
from restore.plugins import checks
from restore.plugins.calls import Origin, guarded, guarded_factory
from restore.plugins.contributions import RefusedError, contributions
from restore.plugins.selection import BUILT_IN, SELECTION, entries, identity, selected, warn_of_unknown_names
from restore.plugins.task_checks import TASK
from restore.task import Task

hookimpl = pluggy.HookimplMarker("restore")
logger = logging.getLogger("restore")
# Known tasks of other packages: name of the task -> how to install it.
INSTALLING = {"dead-columns": "in a clone of this project, run: pip install samples/restore-dead-columns"}


class Found(NamedTuple):
    """What a plugin provides under one name, and the distribution that the plugin belongs to."""

    object: Any
    distribution: str


@dataclass(frozen=True)
class Record:
    """The outcome of loading one plugin.

    Attributes:
        state: "ok", "error" or "not selected".
        error: why it could not be loaded, one line; empty otherwise.
        seconds: time to import it and call its hooks.
        heavy: loading it imported torch, which slows down every command, `restore --help` included.
        left_out: names that it provides and the toolkit, too, such as `task inpaint`; the toolkit's own are used.
    """

    name: str
    distribution: str
    version: str
    state: str
    error: str = ""
    seconds: float = 0.0
    heavy: bool = False
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plugins:
    """Everything that the installed plugins provide, by name. Names that several plugins provide are in `clashes` only; for one
    that the toolkit provides, too, the toolkit's own is used.

    Attributes:
        clashes: (kind, name) -> the distributions that provide it.
    """

    tasks: Mapping[str, Found]
    guidances: Mapping[str, Found]
    priors: Mapping[str, Found]
    operators: Mapping[str, Found]
    commands: Mapping[str, Found]
    records: tuple[Record, ...]
    clashes: Mapping[tuple[str, str], tuple[str, ...]]

    def task(self, name: str) -> Task:
        """The task of this name.

        Raises: UsageError, with the nearest names, if no plugin provides it; UsageError if several do.
        """
        if name in INSTALLING and name not in self.tasks and ("task", name) not in self.clashes:
            raise UsageError(f"task {name!r} is not installed; {INSTALLING[name]}")
        found: Task = self._look_up("task", name, self.tasks)
        return found

    def guidance(self, name: str) -> Callable[..., Any]:
        """The factory of a guidance method; errors as for `task`."""
        return self._callable("guidance", name, self.guidances)

    def prior(self, scheme: str) -> Callable[..., Any]:
        """The loader of a prior scheme; errors as for `task`."""
        return self._callable("prior", scheme, self.priors)

    def operator(self, name: str) -> Callable[..., Any]:
        """The factory of an operator; errors as for `task`."""
        return self._callable("operator", name, self.operators)

    def command(self, name: str) -> Any:
        """The click command of a plugin; errors as for `task`."""
        return self._look_up("command", name, self.commands)

    def _callable(self, kind: str, name: str, among: Mapping[str, Found]) -> Callable[..., Any]:
        found: Callable[..., Any] = self._look_up(kind, name, among)
        return found

    def _look_up(self, kind: str, name: str, among: Mapping[str, Found]) -> Any:
        if (kind, name) in self.clashes:
            both = " and ".join(self.clashes[kind, name])
            raise UsageError(f"{kind} {name!r} is provided by {both}; uninstall one, or leave one out of {SELECTION}")
        if name not in among:
            raise UsageError(f"unknown {kind} {name!r}; {suggest(name, among)}")
        return among[name].object


@functools.cache
def load() -> Plugins:
    """The plugins of this environment, loaded once per process.

    The environment variable `RESTORE_PLUGINS` selects them: all if it is unset, the built-in ones if it is empty, and for `a,b`
    the built-in ones and the distributions or entry points a and b.
    """
    provided: dict[tuple[str, str], list[Found]] = {}
    records = []
    for entry in entries():
        found, record = examine(entry) if selected(entry) else ({}, Record(*identity(entry), "not selected"))
        records.append(record)
        if record.error:
            logger.warning("plugin %s of %s %s: %s", record.name, record.distribution, record.version, record.error)
        for key, value in found.items():
            provided.setdefault(key, []).append(Found(_guarded(*key, value, record), record.distribution))
    warn_of_unknown_names((record.name, record.distribution) for record in records)
    records = [_without_built_in_names(record, provided) for record in records]
    _without_names_of_tasks(provided)
    clashes = {key: tuple(one.distribution for one in found) for key, found in provided.items() if len(found) > 1}

    def table(kind: str) -> Mapping[str, Found]:
        named = {name: found[0] for (of, name), found in provided.items() if of == kind and len(found) == 1}
        return MappingProxyType(dict(sorted(named.items())))

    return Plugins(
        tasks=table("task"),
        guidances=table("guidance"),
        priors=table("prior"),
        operators=table("operator"),
        commands=table("command"),
        records=tuple(records),
        clashes=MappingProxyType(clashes),
    )


def _without_built_in_names(record: Record, provided: dict[tuple[str, str], list[Found]]) -> Record:
    """The record with the names in which the toolkit comes first. Their objects are taken out of `provided`."""
    left_out = []
    for (kind, name), found in provided.items():
        owners = {one.distribution for one in found}
        if record.distribution != BUILT_IN and {BUILT_IN, record.distribution} <= owners:
            found[:] = [one for one in found if one.distribution != record.distribution]
            left_out.append(f"{kind} {name}")
            logger.warning(
                "%s %r of %s %s is left out: the toolkit has its own", kind, name, record.distribution, record.version
            )
    return replace(record, left_out=tuple(left_out)) if left_out else record


def _without_names_of_tasks(provided: dict[tuple[str, str], list[Found]]) -> None:
    """A command whose name is that of a task is left out."""
    for kind, name in list(provided):
        if kind == "command" and ("task", name) in provided:
            for one in provided.pop((kind, name)):
                logger.warning("command %r of %s is left out: there is a task of that name", name, one.distribution)


def _guarded(kind: str, name: str, value: Any, record: Record) -> Any:
    """What a plugin provides; that of another package guarded, so that its faults name it."""
    if record.distribution == BUILT_IN:
        return value
    error = PluginPriorError if kind == "prior" else PluginError
    origin = Origin(f"{kind} {name!r}", f"{record.distribution} {record.version}".strip(), error)
    if kind == "task":
        return guarded(value, origin, TASK)
    if kind == "command":
        return guarded(value, origin, {"invoke": checks.anything})
    check = {"guidance": checks.method, "prior": checks.prior, "operator": checks.operator}[kind]
    return guarded_factory(value, origin, check)


def examine(entry: metadata.EntryPoint) -> tuple[dict[tuple[str, str], Any], Record]:
    """Load one plugin: what it provides, by (kind, name), and its record. Exceptions of the plugin are kept in the record."""
    start = time.perf_counter()
    light = "torch" not in sys.modules
    found: dict[tuple[str, str], Any] = {}
    error = ""
    try:
        with redirect_stdout(sys.stderr):  # stdout is for results.
            found = contributions(entry.load())
    except BaseException as raised:  # SystemExit, too: a plugin does not end the program.
        own = entry.dist is not None and entry.dist.name == BUILT_IN
        if isinstance(raised, KeyboardInterrupt) or (own and is_lack_of_memory(raised)):
            raise
        error = f"{type(raised).__name__}: {raised}" if not isinstance(raised, RefusedError) else str(raised)
    return found, Record(
        *identity(entry),
        state="error" if error else "ok",
        error=" ".join(error.split()),
        seconds=time.perf_counter() - start,
        heavy=light and "torch" in sys.modules,
    )
