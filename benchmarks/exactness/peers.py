"""The same prior and the same measurements in other libraries: deepinv and azula beside ours on proof 1.

pip install '.[peers]'
python -m benchmarks exactness-peers
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
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
    """One of theirs, at `steps`."""

    name: str
    draw: libraries.Draw
    steps: int
    alone: int = 0
    problems: int | None = None


PIGDM, MOMENTS, DPS_FIDELITY = sampling.PiGDMDataFidelity, sampling.MomentMatchingDataFidelity, sampling.DPSDataFidelity
# Of steps: up to 100, and from 100 on.
FEW: dict[str, Callable[[int], libraries.Draw]] = {
    "DDRM, deepinv": partial(libraries.deepinv_ddrm, half=HALF),
    "DiffPIR, deepinv": partial(libraries.deepinv_diffpir, half=HALF),
    "DiffPIR, azula": libraries.azula_diffpir,
    "PiGDM, deepinv": partial(libraries.deepinv_posterior, fidelity=PIGDM),
    "PiGDM, azula": libraries.azula_pgdm,
    "PiGDM, azula, eta=1": partial(libraries.azula_pgdm, eta=1.0),
    "MMPS, deepinv": partial(libraries.deepinv_posterior, fidelity=MOMENTS),
    "MMPS, deepinv, 8 it.": partial(libraries.deepinv_posterior, fidelity=MOMENTS, cg_max_iter=8),
    "MMPS, azula": libraries.azula_mmps,
    "MMPS, azula, CG, 8 it.": partial(libraries.azula_mmps, solver="cg", iterations=8),
}
MANY: dict[str, Callable[[int], libraries.Draw]] = {
    "DPS, deepinv": partial(libraries.deepinv_posterior, fidelity=DPS_FIDELITY),
    "DPS, deepinv, annealed": partial(libraries.deepinv_posterior, fidelity=DPS_FIDELITY, guidance="annealed"),
    "DPS, azula, in one batch": libraries.azula_dps,
}
OURS_FEW = {"DDRM": DDRM(), "DiffPIR": DiffPIR(), "PiGDM": PiGDM(), "PiGDM adaptive": PiGDM(adaptive=True)}
OURS_FEW |= {"MMPS": cg(MMPS), "MMPS, ancestral steps": cg(MMPS, spread=0)}
OURS_MANY = {"DPS": DPS(annealed=False), "DPS annealed": DPS(annealed=True)}


def rows(steps: int) -> Iterator[Row | Peer]:
    if steps == 20:
        yield FLOOR
    ours = (OURS_FEW if steps <= 100 else {}) | (OURS_MANY if steps >= 100 else {})
    theirs = (FEW if steps <= 100 else {}) | (MANY if steps >= 100 else {})
    yield from (Row(name, method, steps) for name, method in ours.items())
    yield from (Peer(name, method(steps), steps) for name, method in theirs.items())
    if steps == 100:
        yield Peer("DPS, azula, one by one", libraries.azula_dps(steps), steps, alone=60)


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
            lines = measured(cases, lambda _, steps=steps: rows(steps), given.count, given.only, drawn)
            publish([f"### {title}\n\n{table(columns(GAUSSIAN), lines)}"])
