"""The same prior and the same measurements in other libraries: deepinv and azula beside ours on proof 1.

    pip install '.[peers]'
    python -m benchmarks exactness-peers

Their own classes run with their own defaults, unless a row says otherwise. Ours is the door to the prior, and the units.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import deepinv
import numpy as np
import torch
from azula.denoise import Denoiser, DiracPosterior
from azula.guidance import DiffPIRDenoiser, DPSSampler, MMPSDenoiser, PGDMSampler
from azula.linalg.covariance import IsotropicCovariance
from azula.noise import Schedule, VPSchedule
from azula.sample import DDPMSampler, Sampler
from deepinv import sampling
from torch import Tensor, nn

from benchmarks.exactness.methods import FLOOR, Row, cg
from benchmarks.exactness.problems import Case, Counted, gaussian_distances, hole
from benchmarks.exactness.report import GAUSSIAN, Line, draw, show
from restore.guidance import DDRM, DPS, MMPS, DiffPIR, PiGDM

HALF = 4.0  # Standard deviations from the middle to the edge of deepinv's [0, 1], so that its clamps do not bite.

Draw = Callable[[Case, Counted, int], Tensor]  # (count, 1, 1, d) in our units.


@dataclass(frozen=True)
class Peer:
    """One of theirs. `at_once`: pictures in one batch, where the method mixes the pictures of a batch."""

    name: str
    draw: Draw
    at_once: int | None = None


# deepinv


class UnitRange(nn.Module):
    """D in deepinv's [0, 1]: u = (1 + x / HALF) / 2, so its sigma is 2 HALF times as large here."""

    def __init__(self, prior: Counted) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, u: Tensor, sigma: Tensor | float) -> Tensor:
        return to_unit(self.prior(HALF * (2 * u - 1), 2 * HALF * one(sigma, u)))


class OwnRange(nn.Module):
    """D as it is, where deepinv can be told that a prior has a range of its own (`minus_one_one=False`)."""

    def __init__(self, prior: Counted) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        return self.prior(x, one(sigma, x))


def to_unit(x: Tensor) -> Tensor:
    return (1 + x / HALF) / 2


def one(sigma: Tensor | float, like: Tensor) -> Tensor:
    """One level for the whole batch, as () tensor; deepinv has it as number, (), (1,) or one a picture."""
    return torch.as_tensor(sigma, dtype=like.dtype).flatten()[0]


def physics(case: Case, unit: float) -> deepinv.physics.Inpainting:
    """A with its noise, sigma_y / unit."""
    return deepinv.physics.Inpainting(
        mask=(~case.seen).float()[None, None],
        img_size=(1, 1, len(case.seen)),
        noise_model=deepinv.physics.GaussianNoise(case.problem.sigma_y / unit),
    )


def in_unit_range(model: Callable[[nn.Module], nn.Module]) -> Draw:
    def run(case: Case, prior: Counted, count: int) -> Tensor:
        operator = physics(case, 2 * HALF)
        y = operator.A(to_unit(case.problem.y.float())).repeat(count, 1, 1, 1)
        return HALF * (2 * model(UnitRange(prior))(y, operator) - 1)

    return run


def ddrm(steps: int) -> Draw:
    # One evaluation a level; their default is 100 even levels from 1 to 0.
    return in_unit_range(lambda denoiser: sampling.DDRM(denoiser, sigmas=np.linspace(1, 0, steps)))


def diffpir(steps: int) -> Draw:
    fidelity = deepinv.optim.data_fidelity.L2()
    return in_unit_range(lambda denoiser: sampling.DiffPIR(denoiser, fidelity, max_iter=steps))


def posterior(fidelity: Callable[[], nn.Module], steps: int) -> Draw:
    """deepinv's diffusion of the posterior, with the schedule and solver that its DPS takes by default."""

    def run(case: Case, prior: Counted, count: int) -> Tensor:
        model = sampling.PosteriorDiffusion(
            data_fidelity=fidelity(),
            denoiser=OwnRange(prior),
            sde=sampling.VariancePreservingDiffusion(alpha=1.0),
            solver=sampling.DDPMSolver(timesteps=torch.linspace(1, 0, steps + 1, dtype=torch.float64)),
            minus_one_one=False,
        )
        return model(case.problem.y.float().repeat(count, 1, 1, 1), physics(case, 1.0))

    return run


# azula


class Scaled(Denoiser):
    """D behind azula's door: x_t = alpha x0 + sigma z, so x = x_t / alpha at the level sigma / alpha; pictures are (B, d)."""

    def __init__(self, prior: Counted, schedule: Schedule) -> None:
        super().__init__()
        self.prior, self.schedule = prior, schedule

    def forward(self, x_t: Tensor, t: Tensor, **kwargs: object) -> DiracPosterior:
        alpha, sigma = self.schedule(t)
        return DiracPosterior(mean=self.prior((x_t / alpha)[:, None, None], sigma / alpha).flatten(1))


@dataclass(frozen=True)
class Seen:
    """What was measured: the known values of a picture, y and sigma_y."""

    known: Tensor
    y: Tensor
    sigma_y: float

    def operator(self, x: Tensor) -> Tensor:
        return x[..., self.known]

    def inverse(self, y: Tensor) -> Tensor:
        return torch.zeros(*y.shape[:-1], len(self.known)).index_copy(-1, self.known.nonzero().flatten(), y)


def walked(sampler: Callable[[Denoiser, Seen], Sampler]) -> Draw:
    def run(case: Case, prior: Counted, count: int) -> Tensor:
        known = ~case.seen
        seen = Seen(known, case.problem.y.float().flatten()[known], case.problem.sigma_y)
        walk = sampler(Scaled(prior, VPSchedule()), seen)
        return walk(walk.init((count, len(known))))[:, None, None]

    return run


def azula_mmps(steps: int, **options: object) -> Draw:
    def build(denoiser: Denoiser, seen: Seen) -> Sampler:
        covariance = IsotropicCovariance(seen.sigma_y**2)
        return DDPMSampler(MMPSDenoiser(denoiser, seen.y, seen.operator, covariance, **options), steps=steps, silent=True)

    return walked(build)


def azula_diffpir(steps: int) -> Draw:
    def build(denoiser: Denoiser, seen: Seen) -> Sampler:
        guided = DiffPIRDenoiser(denoiser, seen.y, seen.operator, var_y=seen.sigma_y**2)
        return DDPMSampler(guided, steps=steps, silent=True)

    return walked(build)


def azula_pgdm(steps: int, **options: object) -> Draw:
    return walked(lambda d, seen: PGDMSampler(d, seen.y, seen.operator, seen.inverse, steps=steps, silent=True, **options))


def azula_dps(steps: int) -> Draw:
    return walked(lambda d, seen: DPSSampler(d, seen.y, seen.operator, steps=steps, silent=True))


# The table


def peers(steps: int) -> Iterator[Peer]:
    if steps <= 100:
        yield Peer("DDRM, deepinv", ddrm(steps))
        yield Peer("DiffPIR, deepinv", diffpir(steps))
        yield Peer("DiffPIR, azula", azula_diffpir(steps))
        yield Peer("PiGDM, deepinv", posterior(sampling.PiGDMDataFidelity, steps))
        yield Peer("PiGDM, azula", azula_pgdm(steps))
        yield Peer("PiGDM, azula, eta=1", azula_pgdm(steps, eta=1.0))
        yield Peer("MMPS, deepinv", posterior(sampling.MomentMatchingDataFidelity, steps))
        yield Peer("MMPS, deepinv, 8 it.", posterior(lambda: sampling.MomentMatchingDataFidelity(cg_max_iter=8), steps))
        yield Peer("MMPS, azula", azula_mmps(steps))
        yield Peer("MMPS, azula, CG, 8 it.", azula_mmps(steps, solver="cg", iterations=8))
    if steps >= 100:
        yield Peer("DPS, deepinv", posterior(sampling.DPSDataFidelity, steps))
        yield Peer("DPS, deepinv, annealed", posterior(lambda: sampling.DPSDataFidelity(guidance="annealed"), steps))
        yield Peer("DPS, azula, in one batch", azula_dps(steps))
        if steps == 100:
            yield Peer("DPS, azula, one by one", azula_dps(steps), at_once=1)


def ours(steps: int) -> Iterator[Row]:
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


def theirs(case: Case, peer: Peer, count: int, seed: int) -> tuple[Tensor, Counted]:
    """They draw from torch's one generator, which is put back afterwards."""
    prior, at_once = Counted(case.prior), peer.at_once or count
    count = min(count, 60 * at_once)  # One by one takes a hundred times as long.
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        drawn = [peer.draw(case, prior, at_once)]
        each = prior.evaluations, prior.products
        drawn += [peer.draw(case, prior, at_once) for _ in range(count // at_once - 1)]
    prior.evaluations, prior.products = each
    return torch.cat(drawn), prior


def table(cases: Sequence[Case], steps: int, count: int, only: str) -> list[Line]:
    rows = [*([FLOOR] if steps == 20 else []), *ours(steps), *peers(steps)]
    lines = {row.name: Line(row.name) for row in rows if only.lower() in row.name.lower()}
    for seed, case in enumerate(cases):
        for row in rows:
            if row.name not in lines:
                continue
            line, started = lines[row.name], time.monotonic()
            samples, prior = draw(case, row, count, seed) if isinstance(row, Row) else theirs(case, row, count, seed)
            line.seconds += time.monotonic() - started
            line.evaluations, line.products = prior.evaluations, prior.products
            finite = bool(samples.isfinite().all())
            line.figures.append(gaussian_distances(samples, case) if finite else (float("nan"),) * 3)
    return list(lines.values())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__)
    parser.add_argument("--problems", type=int, default=3, help="measurements a table averages over")
    parser.add_argument("--count", type=int, default=400, help="samples each")
    parser.add_argument("--steps", type=int, nargs="*", default=[20, 100], help="budgets; 1000 for DPS alone")
    parser.add_argument("--noise", type=float, nargs="*", default=[0.0, 0.05], help="sigma_y, the pictures' being 1")
    parser.add_argument("--only", default="", help="methods whose name holds this")
    given = parser.parse_args(arguments)
    print(f"deepinv {version('deepinv')}, azula {version('azula')}, torch {version('torch')}")
    for sigma_y in given.noise:
        cases = [hole(seed, sigma_y=sigma_y) for seed in range(given.problems)]
        for steps in given.steps:
            title = f"sigma_y = {sigma_y:g}, {steps} evaluations; {given.problems} measurements, {given.count} samples each"
            show(title, GAUSSIAN, table(cases, steps, given.count, given.only))
