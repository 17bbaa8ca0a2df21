"""Which plugins are installed, and which of them the environment variable RESTORE_PLUGINS selects."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable
from importlib import metadata

from restore.errors import suggest

logger = logging.getLogger("restore")

GROUP = "restore"
BUILT_IN = "diffusion-restore"
SELECTION = "RESTORE_PLUGINS"


def entries() -> list[metadata.EntryPoint]:
    """The entry points of all installed plugins, in an order that does not depend on the order of installation."""
    return sorted(metadata.entry_points(group=GROUP), key=identity)


def identity(entry: metadata.EntryPoint) -> tuple[str, str, str]:
    """Name, distribution and version of a plugin."""
    return (entry.name, entry.dist.name, entry.dist.version) if entry.dist else (entry.name, "unknown", "")


def _normalized(name: str) -> str:
    """A distribution name, normalized as in PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def selected(entry: metadata.EntryPoint) -> bool:
    """Whether a plugin is to be loaded; the toolkit's own always are."""
    name, distribution, _ = identity(entry)
    return (
        SELECTION not in os.environ
        or distribution == BUILT_IN
        or bool({_normalized(name), _normalized(distribution)} & _chosen())
    )


def _chosen() -> set[str]:
    return {_normalized(part.strip()) for part in os.environ.get(SELECTION, "").split(",") if part.strip()}


def warn_of_unknown_names(installed: Iterable[tuple[str, str]]) -> None:
    """Warn of chosen names that none of the plugins, (name, distribution), has."""
    known = {_normalized(name) for both in installed for name in both}
    for name in sorted(_chosen() - known):
        logger.warning("%s names %r, which is not installed; %s", SELECTION, name, suggest(name, known))
