"""What is measured: every method at several budgets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from benchmarks.exactness.problems import LEVELS, Case, Oracle, Unguided
from restore.guidance import DAPS, DDNM, DDRM, DPS, MMPS, TDS, DiffPIR, Guidance, PiGDM, PnP, RePaint
from restore.sampling import schedules


@dataclass(frozen=True)
class Row:
    """A method by name, and its transitions. Rows without guidance draw from the posterior or the prior and walk no schedule.

    Attributes:
        problems: how many of a table's problems it gets, where it takes long.
        alone: so many pictures, one by one, where a method mixes those of a batch; 0 for all at once.
    """

    name: str
    guidance: Guidance | None
    steps: int = 0
    travel: tuple[int, int] | None = None
    problems: int | None = None
    alone: int = 0

    def schedule(self):
        schedule = schedules.ddpm(LEVELS, self.steps)
        if isinstance(self.guidance, PnP):
            return schedules.snap(schedules.geometric(0.5, 0.01, self.steps), LEVELS)
        return schedules.travel(schedule, *self.travel) if self.travel else schedule


FLOOR, PRIOR = Row("exact against exact", None), Row("the prior itself", None)
QUICK = 24  # The most steps of a quick look.


def cg(method: type, **words: Any) -> Guidance:
    """MMPS or TDS for priors whose Jacobian is symmetric, as exact ones are: by conjugate gradients, of more iterations."""
    particles = {"particles": 16} if method is TDS else {}
    return method(**{"iterations": 8, "spread": 4, "gmres": False, **particles, **words})


mmps, tds = partial(cg, MMPS), partial(cg, TDS)


def rows(case: Case, proof: int, *, quick: bool) -> Iterable[Row]:
    """The tables of the documentation; of a quick look those of few steps and without particles."""
    chosen = [
        FLOOR,
        PRIOR,
        *budgets("oracle", Oracle(case.posterior), 20, 100),
        *budgets("MMPS", mmps(), 5, 10, 20, 50, 100),
        *budgets("MMPS, ancestral steps", mmps(spread=0), 20, 100),
        *(of_a_hole() if proof == 1 else of_modes()),
        *budgets("PiGDM", PiGDM(), 20, 100),
        *budgets("PiGDM adaptive", PiGDM(adaptive=True), 20, 100),
        *budgets("DDNM", DDNM(), 20, 100),
        *budgets("DDRM", DDRM(), 20, 100),
        *budgets("DiffPIR", DiffPIR(), 20, 100),
        Row("DPS annealed", DPS(annealed=True), 100),
        Row("DAPS", DAPS(), 40),
        Row("PnP (an estimate)", PnP(), 24),
        norm_rule(proof),
        Row("DAPS", DAPS(), 200),
    ]
    return [row for row in chosen if row.steps <= QUICK and not isinstance(row.guidance, TDS)] if quick else chosen


def cheap(proof: int) -> list[Row]:
    """What many problems can be asked of."""
    dps = replace(norm_rule(proof), name="DPS")
    once = {"MMPS": mmps(), "MMPS, ancestral steps": mmps(spread=0), "PiGDM": PiGDM(), "PiGDM adaptive": PiGDM(adaptive=True)}
    return [FLOOR, PRIOR, *(Row(name, method, 100) for name, method in once.items()), dps]


def budgets(name: str, guidance: Guidance, *steps: int) -> list[Row]:
    return [Row(name, guidance, count) for count in steps]


def norm_rule(proof: int) -> Row:
    """DPS as it was published, tuned to a thousand steps."""
    zeta = 0.5 if proof == 1 else 0.1
    return Row(f"DPS zeta={zeta}", DPS(zeta=zeta, annealed=False), 1000)


def of_a_hole() -> list[Row]:
    return [
        *budgets("MMPS, ancestral steps, 16 it.", mmps(iterations=16, spread=0), 20, 100),
        Row("MMPS, 1 iteration", mmps(iterations=1), 20),
        *(Row(f"MMPS, {count} iterations", mmps(iterations=count), 20) for count in (3, 16)),
        *(Row(f"MMPS, 16 it., spread={count}", mmps(iterations=16, spread=count), 20) for count in (1, 2, 8)),
        Row("MMPS, GMRES", MMPS(gmres=True, iterations=8, spread=4), 20),
        *budgets("TDS K=4, ancestral steps", tds(particles=4, spread=0), 20, 100),
        Row("TDS K=4", tds(particles=4), 20),
        Row("TDS K=4, GMRES", TDS(particles=4, gmres=True, spread=4, iterations=8), 20),
        Row("replacement (no travel)", RePaint(), 250),
        Row("RePaint 100/10/5", RePaint(), 100, (10, 5)),
    ]


def of_modes() -> list[Row]:
    first = 3  # Particles take long, and differ less from problem to problem.
    return [
        *(Row(f"TDS K={count}, first {first}", tds(particles=count), 100, problems=first) for count in (4, 16)),
        Row(f"TDS K=16, first {first}", tds(), 20, problems=first),
        Row(f"TDS K=16, ancestral steps, first {first}", tds(spread=0), 100, problems=first),
        Row("MMPS, 16 it., 250 steps, ancestral steps", mmps(iterations=16, spread=0), 250),
        Row("unguided", Unguided(), 100),
    ]
