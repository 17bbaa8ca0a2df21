"""The same network, picture, damage and evaluations in other libraries: deepinv, azula and diffusers beside ours.

    pip install '.[peers]'

Their own classes run at their own defaults but for what a row's name says and where they begin (`docs/reports/speed.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.harness import markdown
from benchmarks.metrics import psnr
from benchmarks.photographs.report import crops
from benchmarks.speed.sections import Cell, Found, Section, Setting
from benchmarks.speed.timing import in_turns, middle, ratio, watched
from restore import solver
from restore.guidance import DDRM, DPS, MMPS, DiffPIR, Guidance, PiGDM, RePaint
from restore.operators import Mask
from restore.planning.plan import make_plan
from restore.problem import Problem
from restore.sampling import samplers

SIGMA_Y = 10 / 127.5  # Both DiffPIRs divide by it.
SLACK = 0.01  # Ratios are not told apart any finer.


@dataclass(frozen=True)
class Pair:
    """Ours and one of theirs.

    Attributes:
        steps: that both are given.
        pictures: that PSNR is the mean of.
        noisy: whether known pixels carry noise.
        eta: of ours in place of its own: 0 walks without fresh noise.
        same_levels: ours asks at their levels, not at its own.
    """

    name: str
    ours: Guidance
    steps: int
    pictures: int = 3
    noisy: bool = True
    eta: float | None = None
    same_levels: bool = False

    @property
    def theirs(self) -> str:
        return self.name.partition(";")[0]


JUMP, REPEAT = 5, 3
ONE = MMPS(iterations=1, spread=0, gmres=True)
PAIRS = {
    pair.name: pair
    for pair in (
        Pair("DDRM, deepinv", DDRM(), 20),
        Pair("DiffPIR, deepinv", DiffPIR(), 20),
        Pair("DPS, deepinv", DPS(annealed=False), 20, pictures=2),
        Pair("DPS annealed, deepinv", DPS(annealed=True), 20, pictures=2),
        Pair("DiffPIR, azula", DiffPIR(), 20),
        Pair("PiGDM, azula", PiGDM(adaptive=True), 20, pictures=2),
        Pair("PiGDM, azula; ours at its levels, eta 0", PiGDM(adaptive=True), 20, pictures=2, eta=0.0, same_levels=True),
        Pair("MMPS of one iteration, azula", ONE, 10, pictures=2),
        Pair("MMPS of one iteration, azula; ours at its levels", ONE, 10, pictures=2, same_levels=True),
        Pair("MMPS of eight iterations, azula", MMPS(iterations=8, spread=0, gmres=True), 5, pictures=2),
        Pair("RePaint, diffusers", RePaint(jump=JUMP, repeat=REPEAT), 10, noisy=False),
    )
}


def cells(setting: Setting) -> Iterator[Cell]:
    quick = ("DDRM, deepinv", "PiGDM, azula", "RePaint, diffusers")
    for name in quick if setting.quick else PAIRS:
        yield {"pair": name, "pictures": 1 if setting.quick else PAIRS[name].pictures, "size": 128 if setting.quick else 256}


def measure(setting: Setting, cell: Cell) -> Found:
    from benchmarks.speed.peers_theirs import THEIRS

    pair, prior, device = PAIRS[cell["pair"]], setting.restorer.prior, setting.restorer.placement.device
    answers: dict[str, Tensor] = {}
    both, quality, counts = ([], []), {"ours": [], "theirs": []}, {}
    for index, (truth, problem) in enumerate(problems(setting.held_out, cell["pictures"], cell["size"], pair.noisy)):
        works: dict[str, Callable[[], Tensor]] = {
            "ours": partial(ours, setting, pair, problem),
            "theirs": partial(seeded, partial(THEIRS[pair.theirs], prior, problem, pair.steps, device)),
        }
        for name, work in works.items() if index == 0 else ():
            with watched(prior) as seen:
                work()  # Warms up, too.
            counts |= {f"{name} NFE": seen.pictures, f"{name} VJP": seen.products}
        kept = [partial(_keep, answers, name, work) for name, work in works.items()]
        for found, taken in zip(both, in_turns(kept, 2 if index == 0 else 1), strict=True):
            found.extend(taken)
        for name, values in quality.items():
            values.append(psnr(answers[name].float().clamp(-1, 1).cpu(), truth, peak=2))
    return {
        **counts,
        "ours": middle(both[0]),
        "theirs": middle(both[1]),
        "ratio": ratio(*both),
        "process": ratio(*both, "process"),
        **{f"{name} psnr": sum(values) / len(values) for name, values in quality.items()},
    }


def _keep(answers: dict[str, Tensor], name: str, work: Callable[[], Tensor]) -> None:
    answers[name] = work()


def problems(folder: Path, count: int, size: int, noisy: bool) -> Iterator[tuple[Tensor, Problem]]:
    """Truth, and the picture with four fifths of its pixels missing."""
    for index, x in enumerate(crops(folder, count, size)):
        generator = torch.Generator().manual_seed(index)
        keep = torch.rand(1, 1, size, size, generator=generator) >= 0.8
        sigma_y = SIGMA_Y if noisy else 0.0
        y = (x + sigma_y * torch.randn(x.shape, generator=generator)) * keep
        yield x, Problem(y, Mask(keep), sigma_y, tuple(x.shape))


def ours(setting: Setting, pair: Pair, problem: Problem) -> Tensor:
    prior = setting.restorer.prior
    device = setting.restorer.placement.device
    sampler = None if pair.eta is None else samplers.ddim(pair.eta)
    plan = make_plan(problem, prior, pair.ours, sampler, steps=pair.steps, names=("0",), device=device)
    if pair.same_levels:
        from benchmarks.speed.peers_theirs import azula_levels

        plan = replace(plan, schedule=azula_levels(prior, pair.steps))
    *_, last = solver.run([plan], 0.0, 0)
    return last.result.samples


def seeded(work: Callable[[], Tensor]) -> Tensor:
    """They draw from torch's one generator, which is put back afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return work()


def table(rows: Sequence[tuple[Cell, Found]]) -> str:
    heads = ("method, beside", "NFE", "VJP", "ours, s", "theirs, s", "ours / theirs", "processor time")
    heads += ("ours, dB", "theirs, dB", "faster or equal, and as good")
    lines = []
    for cell, found in rows:
        good = found["ratio"] <= 1 + SLACK and found["ours psnr"] >= found["theirs psnr"] - 0.005
        lines.append(
            [cell["pair"], *(_both(found[f"ours {kind}"], found[f"theirs {kind}"]) for kind in ("NFE", "VJP"))]
            + [f"{found[name]:.2f}" for name in ("ours", "theirs", "ratio", "process")]
            + [f"{found[f'{who} psnr']:.2f}" for who in ("ours", "theirs")]
            + ["yes" if good else "**no**"]
        )
    return markdown(heads, lines)


def _both(ours: int, theirs: int) -> str:
    return str(ours) if ours == theirs else f"{ours} and {theirs}"


PEERS = Section(
    "peers",
    "### Beside other libraries\n\n"
    "The bundled network in each; the middles of pictures it was not trained on, four fifths of their pixels missing, noise of "
    "10 grey levels on the rest (none for RePaint). Seconds are medians of goes taken in turns, the ratio that of neighbours "
    f"in time, equal within {100 * SLACK:.0f} %; PSNR over the whole picture.",
    cells,
    measure,
    table,
)
