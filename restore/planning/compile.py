"""Whether a run's network is compiled: where the work foreseen repays it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Literal

from restore.errors import UsageError
from restore.planning.estimate import forecast
from restore.priors.views.compiled import Compiled, compiled
from restore.tiling.batches import Run

logger = logging.getLogger("restore")
CHOICES = ("auto", "on", "off")

# By kind of device: the share of a network's time that compiling saves, and the seconds it takes, for the bundled prior in
# bfloat16 (docs/large-pictures.md). Where it was not measured, "auto" leaves it alone.
SAVES = {"cpu": 0.05}
TAKES = {"cpu": 10.0}
CLEARLY = 2.0  # So many times what it takes must be saved.
LITTLE = 1e8  # Pixels of all transitions below which nothing is worth it; a second a megapixel is what two slow cores take.


@dataclass(frozen=True)
class Choice:
    """Runs, and what was decided for them.

    Attributes:
        why: in words.
        networks: those compiled at their first call; none if nothing is.
    """

    runs: list[Run]
    why: str
    networks: tuple[Compiled, ...] = ()

    @property
    def compiled(self) -> bool:
        """Whether answers came from compiled code; known when the runs are over."""
        return any(network.works for network in self.networks)


def check(asked: str) -> None:
    """Raises UsageError for a word that is none of the choices."""
    if asked not in CHOICES:
        raise UsageError(f"compile is {', '.join(CHOICES[:-1])} or {CHOICES[-1]}, got {asked!r}")


def chosen(runs: list[Run], asked: Literal["auto", "on", "off"]) -> Choice:
    """The runs as they will be walked."""
    if asked == "off":
        return Choice(runs, "not compiled: as asked for")
    if asked == "auto":
        seconds = _foreseen(runs)
        device = runs[0].device.type
        saved, taken = SAVES.get(device, 0.0) * seconds, TAKES.get(device, 0.0)
        if device not in SAVES or saved < CLEARLY * taken:
            expected = f"{saved:.1f} s to save, {taken:.0f} s to take" if seconds else "a short run"
            return Choice(runs, f"not compiled: {expected}" if device in SAVES else f"not compiled: not measured on {device}")
    prior, networks = compiled(runs[0].prior)
    if not networks:
        return Choice(runs, "not compiled: the prior has no network that can be")
    return Choice([replace(run, prior=prior) for run in runs], "compiled", tuple(networks))


def _foreseen(runs: list[Run]) -> float:
    """Seconds in the network; 0 where they are too few to ask more closely, which would cost some evaluations."""
    pixels = sum(
        len(run.names) * (len(run.planned.schedule) - 1) * (bottom - top) * (right - left)
        for run in runs
        for top, bottom, left, right in run.planned.boxes
    )
    return forecast(runs, 0).seconds if pixels > LITTLE else 0.0
