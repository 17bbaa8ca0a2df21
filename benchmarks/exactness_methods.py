"""What is measured: every method at several budgets."""

from __future__ import annotations

from dataclasses import dataclass

from exactness_problems import LEVELS, Case, Oracle, Unguided

from restore import paths
from restore.guidance import DAPS, DDNM, DDRM, DPS, MMPS, TDS, DiffPIR, Guidance, PiGDM, PnP, RePaint


@dataclass(frozen=True)
class Row:
    """A method by name, and its transitions. `exact` rows draw from the posterior or the prior and walk no path."""

    name: str
    guidance: Guidance | None
    steps: int = 0
    travel: tuple[int, int] | None = None

    def path(self):
        path = paths.ddpm(LEVELS, self.steps)
        if isinstance(self.guidance, PnP):
            return paths.snap(paths.geometric(0.5, 0.01, self.steps), LEVELS)
        return paths.travel(path, *self.travel) if self.travel else path


FLOOR, PRIOR = Row("exact against exact", None), Row("the prior itself", None)


def rows(case: Case, proof: int, effort: int) -> list[Row]:
    """effort: 0 quick, 1 the table in the documentation, 2 everything."""
    oracle = Oracle(case.posterior)
    chosen = [FLOOR, PRIOR, Row("oracle", oracle, 20), Row("oracle", oracle, 100)]
    chosen += [Row("MMPS", MMPS(), steps) for steps in ((5, 20) if effort == 0 else (5, 10, 20, 50, 100))]
    chosen += [Row("MMPS, paper's walk", MMPS(spread=0), steps) for steps in ((20,) if effort == 0 else (20, 100))]
    if proof == 1:
        chosen.append(Row("MMPS, 16 iterations", MMPS(iterations=16), 20))
        chosen.append(Row("MMPS, paper's walk, 16 it.", MMPS(iterations=16, spread=0), 20))
        if effort:
            chosen.append(Row("MMPS, paper's walk, 16 it.", MMPS(iterations=16, spread=0), 100))
            chosen.append(Row("MMPS, GMRES", MMPS(gmres=True), 20))
    particles = 4 if proof == 1 and effort < 2 else 16
    chosen += [Row(f"TDS K={particles}", TDS(particles=particles), 20 if effort == 0 else 100)]
    if effort and proof == 2:
        chosen.append(Row("TDS K=4", TDS(particles=4), 100))
    if effort and proof == 2 and (effort == 2 or case.problem.shape[-1] <= 8):
        chosen.append(Row("TDS K=64", TDS(particles=64), 100))
    chosen += [Row("PiGDM", PiGDM(), steps) for steps in ((20,) if effort == 0 else (20, 100))]
    chosen += [Row("DDNM", DDNM(), steps) for steps in ((20,) if effort == 0 else (20, 100))]
    chosen += [Row("DDRM", DDRM(), steps) for steps in ((20,) if effort == 0 else (20, 100))]
    chosen += [Row("DiffPIR", DiffPIR(), steps) for steps in ((20,) if effort == 0 else (20, 100))]
    chosen += [Row("DPS annealed", DPS(annealed=True), 20 if effort == 0 else 100)]
    chosen += [Row("DAPS", DAPS(), 10 if effort == 0 else 40)]
    chosen += [Row("PnP (an estimate)", PnP(), 24)]
    if effort:
        zeta = 0.5 if proof == 1 else 0.1
        chosen.append(Row(f"DPS zeta={zeta}", DPS(zeta=zeta), 1000))
        chosen.append(Row("DAPS", DAPS(), 200))
    if proof == 1:
        chosen.append(Row("replacement (no travel)", RePaint(), 20 if effort == 0 else 250))
        chosen.append(
            Row("RePaint 100/10/5", RePaint(), 100, (10, 5)) if effort else Row("RePaint 20/4/3", RePaint(), 20, (4, 3))
        )
        if effort == 2:
            chosen.append(Row("RePaint 250/10/10", RePaint(), 250, (10, 10)))
    else:
        chosen.append(Row("unguided walk", Unguided(), 20 if effort == 0 else 100))
    return chosen
