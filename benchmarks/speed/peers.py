"""The same network, picture, damage and evaluations in other libraries: deepinv, azula and diffusers beside ours.

Their own classes run at their own defaults but for what a row's name says and where they begin (`docs/reports/speed.md`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import Row
from benchmarks.metrics import psnr
from benchmarks.pictures import crops
from benchmarks.speed.sections import Cell, Found, Section, Setting
from benchmarks.speed.timing import in_turns, middle, ratio, watched
from restore.guidance import DDRM, DPS, MMPS, DiffPIR, Guidance, PiGDM, RePaint
from restore.operators import Mask
from restore.planning.plan import make_plan
from restore.priors import Prior
from restore.problem import Problem
from restore.sampling import samplers
from restore.solving import solver

SIGMA_Y = 10 / 127.5  # Both DiffPIRs divide by it.
SLACK = 0.01  # Ratios are not told apart any finer.


@dataclass(frozen=True)
class Pair:
    """Ours and one of theirs.

    Attributes:
        steps: that both are given.
        theirs: of `libraries`, a function of the steps and `words`.
        pictures: that PSNR is the mean of.
        sigma_y: noise of known pixels.
        eta: of ours in place of its own: 0 walks without fresh noise.
        same_levels: ours asks at their levels, not at its own.
    """

    ours: Guidance
    steps: int
    theirs: str
    words: dict[str, Any] = field(default_factory=dict)
    pictures: int = 2
    sigma_y: float = SIGMA_Y
    eta: float | None = None
    same_levels: bool = False


def mmps(iterations: int) -> MMPS:
    return MMPS(iterations=iterations, spread=0, gmres=True)


TRAVEL = {"jump": 5, "repeat": 3}
PAIRS = {
    "DDRM, deepinv": Pair(DDRM(), 20, "deepinv_ddrm", {"half": 1}, pictures=3),
    "DiffPIR, deepinv": Pair(DiffPIR(), 20, "deepinv_diffpir", {"half": 1}, pictures=3),
    "DPS, deepinv": Pair(DPS(annealed=False), 20, "deepinv_dps", {"guidance": "norm"}),
    "DPS annealed, deepinv": Pair(DPS(annealed=True), 20, "deepinv_dps", {"guidance": "annealed"}),
    "DiffPIR, azula": Pair(DiffPIR(), 20, "azula_diffpir", pictures=3),
    "PiGDM, azula": Pair(PiGDM(adaptive=True), 20, "azula_pgdm"),
    "PiGDM, azula; ours at its levels, eta 0": Pair(PiGDM(adaptive=True), 20, "azula_pgdm", eta=0.0, same_levels=True),
    "MMPS of one iteration, azula": Pair(mmps(1), 10, "azula_mmps"),
    "MMPS of one iteration, azula; ours at its levels": Pair(mmps(1), 10, "azula_mmps", same_levels=True),
    "MMPS of eight iterations, azula": Pair(mmps(8), 5, "azula_mmps", {"iterations": 8}),
    "RePaint, diffusers": Pair(RePaint(**TRAVEL), 10, "diffusers_repaint", TRAVEL, pictures=3, sigma_y=0.0),
}


def measure(setting: Setting, cell: Cell) -> Found:
    from benchmarks import libraries  # Here: tables need no other libraries.

    pair, prior, found = PAIRS[cell["pair"]], setting.restorer.prior, {}
    draw = getattr(libraries, pair.theirs)(pair.steps, **pair.words)
    taken, quality = ([], []), ([], [])
    for index, truth in enumerate(crops(setting.held_out, cell["pictures"], cell["size"])):
        problem = measured(truth, index, pair.sigma_y, setting.restorer.placement.device)
        works = partial(ours, setting, pair, problem), partial(theirs, draw, prior, problem)
        for name, work in zip(("ours", "theirs"), works, strict=True) if index == 0 else ():
            with watched(prior) as seen:
                work()  # Warms up, too.
            found |= {f"{name} NFE": seen.pictures, f"{name} VJP": seen.products}
        for some, values, goes in zip(taken, quality, in_turns(works, 2 if index == 0 else 1), strict=True):
            some.extend(goes)
            values.append(psnr(goes[-1].answer.float().clamp(-1, 1).cpu(), truth, peak=2))
    found |= {"ours": middle(taken[0]), "theirs": middle(taken[1])}
    found |= {"ratio": ratio(*taken), "process": ratio(*taken, "process")}
    return found | {"ours psnr": fmean(quality[0]), "theirs psnr": fmean(quality[1])}


def measured(x: Tensor, index: int, sigma_y: float, device: torch.device) -> Problem:
    """A picture with four fifths of its pixels missing."""
    generator = torch.Generator().manual_seed(index)
    keep = torch.rand(1, 1, *x.shape[2:], generator=generator) >= 0.8
    y = (x + sigma_y * torch.randn(x.shape, generator=generator)) * keep
    return Problem(y.to(device), Mask(keep), sigma_y, tuple(x.shape))


def ours(setting: Setting, pair: Pair, problem: Problem) -> Tensor:
    prior, device = setting.restorer.prior, setting.restorer.placement.device
    sampler = None if pair.eta is None else samplers.ddim(pair.eta)
    plan = make_plan(problem, prior, pair.ours, sampler, steps=pair.steps, names=("0",), device=device)
    if pair.same_levels:
        from benchmarks.libraries import azula_levels

        plan = replace(plan, schedule=azula_levels(start(prior), pair.steps))
    *_, last = solver.run([plan], 0.0, 0)
    return last.result.samples


@torch.no_grad()
def theirs(draw: Callable[..., Tensor], prior: Prior, problem: Problem) -> Tensor:
    """They draw from torch's one generator, which is put back afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return draw(partial(within, prior), problem, start(prior))


def start(prior: Prior) -> float:
    """The level that guided runs begin at."""
    return prior.sigma_start or prior.sigma_max


def within(prior: Prior, x: Tensor, sigma: Tensor) -> Tensor:
    """D at levels that the prior was trained for; the nearest of them for others."""
    return prior(x, sigma.clamp(prior.sigma_min, prior.sigma_max))


def both(kind: str) -> Callable[[Row], str]:
    return lambda row: " and ".join(map(str, dict.fromkeys((row[f"ours {kind}"], row[f"theirs {kind}"]))))


def as_good(row: Row) -> str:
    return "yes" if row["ratio"] <= 1 + SLACK and row["ours psnr"] >= row["theirs psnr"] - 0.005 else "**no**"


PEERS = Section(
    "peers",
    "### Beside other libraries\n\n"
    "The bundled network in each; the middles of pictures it was not trained on, four fifths of their pixels missing, noise of "
    "10 grey levels on the rest (none for RePaint). Seconds are medians of goes taken in turns, the ratio that of neighbours "
    f"in time, equal within {100 * SLACK:.0f} %; PSNR over the whole picture.",
    lambda _: [{"pair": name, "pictures": pair.pictures, "size": 256} for name, pair in PAIRS.items()],
    measure,
    (
        ("method, beside", "{pair}"),
        ("NFE", both("NFE")),
        ("VJP", both("VJP")),
        ("ours, s", "{ours:.2f}"),
        ("theirs, s", "{theirs:.2f}"),
        ("ours / theirs", "{ratio:.2f}"),
        ("processor time", "{process:.2f}"),
        ("ours, dB", "{ours psnr:.2f}"),
        ("theirs, dB", "{theirs psnr:.2f}"),
        ("faster or equal, and as good", as_good),
    ),
)
