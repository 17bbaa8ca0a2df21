"""What a call asks for: a task by name or itself, its own options, and those of every task, all checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from restore.errors import UsageError, suggest
from restore.options.checked import describe, run_options
from restore.options.run_options import RunOptions, of_scope
from restore.plugins import manager
from restore.plugins.calls import build_options
from restore.priors import Prior
from restore.results import provenance
from restore.task import Task


@dataclass(frozen=True)
class Request:
    """One call.

    Attributes:
        task: with `own`, an instance of its `Options`, in which priors are loaded.
        options: those of every task.
        asked: the task's own options as a record keeps them, priors by name.
        priors: those that the task's own options name, by option.
    """

    task: Task
    own: Any
    options: RunOptions
    asked: Mapping[str, Any]
    priors: Mapping[str, Prior]

    @classmethod
    def of(cls, task: str | Task, keywords: Mapping[str, Any], options: RunOptions, load: Callable[[str], Prior]) -> Request:
        """The request of a call's keywords.

        Args:
            options: what `keywords` do not say.
            load: from a name to a prior, for options of the kind `prior`.

        Raises: UsageError for an unknown task, an unknown keyword, or a wrong value; those of `load`.
        """
        task = manager.load().task(task) if isinstance(task, str) else task
        if not isinstance(task, Task):
            raise UsageError(f"task: {task!r} is neither a Task nor the name of one")
        described, common = describe(task.Options), of_scope("call")
        known = [*(option.name for option in described), *common]
        for name in keywords:
            if name not in known:
                raise UsageError(f"unknown option {name!r}; {suggest(name, known)}")
        given = {name: value for name, value in keywords.items() if name not in common}
        own = build_options(task, **given)
        named = {option.name: getattr(own, option.name) for option in described if option.prior}
        priors = {name: load(value) if isinstance(value, str) else value for name, value in named.items() if value is not None}
        run = run_options("call", {name: value for name, value in keywords.items() if name in common})
        return cls(
            task=task,
            own=build_options(task, **{**given, **priors}) if priors else own,
            options=replace(options, **{name: getattr(run, name) for name in common}),
            asked=provenance.plain(own),
            priors=priors,
        )
