"""What is measured: every method at several budgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.exactness.problems import LEVELS, Case, Oracle, Unguided
from restore.guidance import DAPS, DDNM, DDRM, DPS, MMPS, TDS, DiffPIR, Guidance, PiGDM, PnP, RePaint
from restore.sampling import schedules


@dataclass(frozen=True)
class Row:
    """A method by name, and its transitions. Rows without guidance draw from the posterior or the prior and walk no schedule.

    Attributes:
        problems: how many of a table's problems it gets, where it takes long.
    """

    name: str
    guidance: Guidance | None
    steps: int = 0
    travel: tuple[int, int] | None = None
    problems: int | None = None

    def schedule(self):
        schedule = schedules.ddpm(LEVELS, self.steps)
        if isinstance(self.guidance, PnP):
            return schedules.snap(schedules.geometric(0.5, 0.01, self.steps), LEVELS)
        return schedules.travel(schedule, *self.travel) if self.travel else schedule


FLOOR, PRIOR = Row("exact against exact", None), Row("the prior itself", None)


def cg(method: type, **words: Any) -> Guidance:
    """MMPS or TDS for priors whose Jacobian is symmetric, as exact ones are: by conjugate gradients, of more iterations."""
    particles = {"particles": 16} if method is TDS else {}
    return method(**{"iterations": 8, "spread": 4, "gmres": False, **particles, **words})


def rows(case: Case, proof: int, effort: int) -> list[Row]:
    """effort: 0 quick, 1 as it is, 2 the tables of the documentation."""
    oracle, few = Oracle(case.posterior), effort == 0
    chosen = [FLOOR, PRIOR, Row("oracle", oracle, 20), Row("oracle", oracle, 100)]
    chosen += [Row("MMPS", cg(MMPS), steps) for steps in ((5, 20) if few else (5, 10, 20, 50, 100))]
    chosen += [Row("MMPS, ancestral steps", cg(MMPS, spread=0), steps) for steps in ((20,) if few else (20, 100))]
    chosen += _of_a_hole(effort) if proof == 1 else _of_modes(effort)
    for name, guidance in (
        ("PiGDM", PiGDM()),
        ("PiGDM adaptive", PiGDM(adaptive=True)),
        ("DDNM", DDNM()),
        ("DDRM", DDRM()),
        ("DiffPIR", DiffPIR()),
    ):
        chosen += [Row(name, guidance, steps) for steps in ((20,) if few else (20, 100))]
    chosen += [Row("DPS annealed", DPS(annealed=True), 20 if few else 100)]
    chosen += [Row("DAPS", DAPS(), 10 if few else 40)]
    chosen += [Row("PnP (an estimate)", PnP(), 24)]
    if not few:
        zeta = 0.5 if proof == 1 else 0.1
        chosen += [Row(f"DPS zeta={zeta}", DPS(zeta=zeta, annealed=False), 1000), Row("DAPS", DAPS(), 200)]
    return chosen


def _of_a_hole(effort: int) -> list[Row]:
    if effort == 0:
        return [
            Row("MMPS, 16 iterations", cg(MMPS, iterations=16), 20),
            Row("MMPS, ancestral steps, 16 it.", cg(MMPS, iterations=16, spread=0), 20),
            Row("TDS K=4", cg(TDS, particles=4), 20, problems=1),
            Row("replacement (no travel)", RePaint(), 20),
            Row("RePaint 20/4/3", RePaint(), 20, (4, 3)),
        ]
    chosen = [Row("MMPS, ancestral steps, 16 it.", cg(MMPS, iterations=16, spread=0), steps) for steps in (20, 100)]
    chosen += [Row(f"MMPS, {count} iteration{'s' * (count > 1)}", cg(MMPS, iterations=count), 20) for count in (1, 3, 16)]
    chosen += [Row(f"MMPS, 16 it., spread={count}", cg(MMPS, iterations=16, spread=count), 20) for count in (1, 2, 8)]
    chosen += [
        Row("MMPS, GMRES", MMPS(gmres=True, iterations=8, spread=4), 20),
        Row("TDS K=4, ancestral steps", cg(TDS, particles=4, spread=0), 20),
        Row("TDS K=4, ancestral steps", cg(TDS, particles=4, spread=0), 100),
        Row("TDS K=4", cg(TDS, particles=4), 20),
        Row("TDS K=4, GMRES", TDS(particles=4, gmres=True, spread=4, iterations=8), 20),
        Row("replacement (no travel)", RePaint(), 250),
        Row("RePaint 100/10/5", RePaint(), 100, (10, 5)),
    ]
    return chosen


def _of_modes(effort: int) -> list[Row]:
    if effort == 0:
        return [
            Row("TDS K=16", cg(TDS), 20),
            Row("unguided", Unguided(), 20),
        ]
    first = 3  # Particles take long, and differ less from problem to problem.
    chosen = [Row(f"TDS K={k}, first {first}", cg(TDS, particles=k), 100, problems=first) for k in (4, 16)]
    chosen.append(Row(f"TDS K=16, first {first}", cg(TDS), 20, problems=first))
    chosen.append(
        Row(
            f"TDS K=16, ancestral steps, first {first}",
            cg(TDS, spread=0),
            100,
            problems=first,
        )
    )
    chosen.append(Row("MMPS, 16 it., 250 steps, ancestral steps", cg(MMPS, iterations=16, spread=0), 250))
    return [*chosen, Row("unguided", Unguided(), 100)]
