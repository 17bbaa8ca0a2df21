"""The same prior and the same measurements in other libraries: deepinv and azula beside ours on proof 1.

pip install '.[peers]'
python -m benchmarks exactness-peers
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version

import torch
from deepinv import sampling
from torch import Tensor

from benchmarks import libraries
from benchmarks.exactness.methods import FLOOR, Row, cg
from benchmarks.exactness.problems import GAUSSIAN, Case, hole
from benchmarks.exactness.report import columns, draw, measured
from benchmarks.harness import arguments, publish, table
from restore.guidance import DDRM, DPS, MMPS, DiffPIR, PiGDM

HALF = 4.0  # Standard deviations from the middle to the edge of deepinv's [0, 1], so that its clamps do not bite.


@dataclass(frozen=True)
class Peer:
    """One of theirs."""

    name: str
    draw: libraries.Draw
    steps: int
    alone: int = 0
    problems: int | None = None


def peers(steps: int) -> Iterator[Peer]:
    pigdm, mmps, dps = sampling.PiGDMDataFidelity, sampling.MomentMatchingDataFidelity, sampling.DPSDataFidelity
    if steps <= 100:
        yield Peer("DDRM, deepinv", libraries.deepinv_ddrm(steps, HALF), steps)
        yield Peer("DiffPIR, deepinv", libraries.deepinv_diffpir(steps, HALF), steps)
        yield Peer("DiffPIR, azula", libraries.azula_diffpir(steps), steps)
        yield Peer("PiGDM, deepinv", libraries.deepinv_posterior(steps, pigdm), steps)
        yield Peer("PiGDM, azula", libraries.azula_pgdm(steps), steps)
        yield Peer("PiGDM, azula, eta=1", libraries.azula_pgdm(steps, eta=1.0), steps)
        yield Peer("MMPS, deepinv", libraries.deepinv_posterior(steps, mmps), steps)
        yield Peer("MMPS, deepinv, 8 it.", libraries.deepinv_posterior(steps, mmps, cg_max_iter=8), steps)
        yield Peer("MMPS, azula", libraries.azula_mmps(steps), steps)
        yield Peer("MMPS, azula, CG, 8 it.", libraries.azula_mmps(steps, solver="cg", iterations=8), steps)
    if steps >= 100:
        yield Peer("DPS, deepinv", libraries.deepinv_posterior(steps, dps), steps)
        yield Peer("DPS, deepinv, annealed", libraries.deepinv_posterior(steps, dps, guidance="annealed"), steps)
        yield Peer("DPS, azula, in one batch", libraries.azula_dps(steps), steps)
        if steps == 100:
            yield Peer("DPS, azula, one by one", libraries.azula_dps(steps), steps, alone=60)


def ours(steps: int) -> Iterator[Row]:
    if steps == 20:
        yield FLOOR
    if steps <= 100:
        yield Row("DDRM", DDRM(), steps)
        yield Row("DiffPIR", DiffPIR(), steps)
        yield Row("PiGDM", PiGDM(), steps)
        yield Row("PiGDM adaptive", PiGDM(adaptive=True), steps)
        yield Row("MMPS", cg(MMPS), steps)
        yield Row("MMPS, ancestral steps", cg(MMPS, spread=0), steps)
    if steps >= 100:
        yield Row("DPS", DPS(annealed=False), steps)
        yield Row("DPS annealed", DPS(annealed=True), steps)


def drawn(case: Case, row: Row | Peer, count: int, seed: int) -> Tensor:
    """Of ours or theirs, who draw from torch's one generator, which is put back afterwards."""
    if isinstance(row, Row):
        return draw(case, row, count, seed)
    y = case.problem.y.float().repeat(1 if row.alone else count, 1, 1, 1)
    problem = replace(case.problem, y=y, shape=tuple(y.shape))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        return torch.cat([row.draw(case.prior, problem, None) for _ in range(row.alone or 1)])


def main() -> None:
    parser = arguments(__doc__, "only", problems=3, count=400)
    parser.add_argument("--steps", type=int, nargs="*", default=[20, 100], help="budgets; 1000 for DPS alone")
    parser.add_argument("--noise", type=float, nargs="*", default=[0.0, 0.05], help="sigma_y, the pictures' being 1")
    given = parser.parse_args()
    print(f"deepinv {version('deepinv')}, azula {version('azula')}, torch {version('torch')}")
    for sigma_y in given.noise:
        cases = [hole(seed, sigma_y=sigma_y) for seed in range(given.problems)]
        for steps in given.steps:
            title = f"sigma_y = {sigma_y:g}, {steps} evaluations; {given.problems} measurements, {given.count} samples each"
            lines = measured(cases, lambda case, steps=steps: [*ours(steps), *peers(steps)], given.count, given.only, drawn)
            publish([f"### {title}\n\n{table(columns(GAUSSIAN), lines)}"])
