"""What a plugin may provide: one hook for each kind of name a person can say.

Hooks are for finding things; each returns values, so an implementation is a plain function that a test can call. All are
optional. Packages announce their module under the entry-point group `restore`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from restore.guidance.guidance import Guidance
    from restore.operators.operator import Operator
    from restore.priors.prior import Prior
    from restore.task import Task

hookspec = pluggy.HookspecMarker("restore")


@hookspec
def restore_tasks() -> Iterable[Task]:  # type: ignore[empty-body]
    """Tasks, each a subcommand: `restore NAME IN...`."""


@hookspec
def restore_guidances() -> Mapping[str, Callable[..., Guidance]]:  # type: ignore[empty-body]
    """Guidance methods by name; a factory takes the method's own arguments as keywords (`--guidance name:key=value`)."""


@hookspec
def restore_priors() -> Mapping[str, Callable[..., Prior]]:  # type: ignore[empty-body]
    """Prior loaders by scheme: `--prior scheme:ID` calls `loader(ID, dtype=..., local_files_only=...)`.

    `dtype` is what the network shall compute in, or None if the prior is to choose (see `NetworkPrior`).
    """


@hookspec
def restore_operators() -> Mapping[str, Callable[..., Operator]]:  # type: ignore[empty-body]
    """Measurement operators by name, for tasks and benchmarks that are told one."""
