"""The hooks of a plugin: one each for tasks, guidance methods, prior loaders, operators and commands.

Each hook returns values, so an implementation is a plain function that a test can call. All are optional. A package registers
its module under the entry-point group `restore`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from restore.guidance.guidance import Guidance
    from restore.operators.operator import Operator
    from restore.priors.prior import Prior
    from restore.task import Task

hookspec = pluggy.HookspecMarker("restore")


@hookspec
def restore_tasks() -> Iterable[Task]:  # type: ignore[empty-body]
    """Tasks; each becomes a subcommand `restore NAME IN...` and a name for `Restorer`."""


@hookspec
def restore_guidances() -> Mapping[str, Callable[..., Guidance]]:  # type: ignore[empty-body]
    """Guidance methods: name -> factory. `--guidance name:key=value` calls `factory(key=value)`."""


@hookspec
def restore_priors() -> Mapping[str, Callable[..., Prior]]:  # type: ignore[empty-body]
    """Prior loaders: scheme -> loader. `--prior scheme:ID` calls `loader(ID, dtype=..., local_files_only=...)`.

    `dtype` is what the network computes in; with None the prior chooses by the hardware (see `NetworkPrior`).
    """


@hookspec
def restore_operators() -> Mapping[str, Callable[..., Operator]]:  # type: ignore[empty-body]
    """Measurement operators: name -> factory. `restore run --op "name:value,key=value"` calls `factory(shape, key=value)` with
    the shape (C, H, W) of the pictures; values without keys are in the order of its parameters.

    For an operator that changes the shape of pictures, an attribute `input_shape` of the factory, a function of the same
    arguments, says of which shape they are, given that of the result. Its documentation's first line is the operator's help.
    """


@hookspec
def restore_commands() -> Mapping[str, click.Command]:  # type: ignore[empty-body]
    """Commands that are no tasks: name -> a click command; `restore NAME ...` calls it. What it returns, if a whole number, is
    the exit code, and what it prints goes where it prints it.
    """
