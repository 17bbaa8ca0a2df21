"""Distances to posteriors known exactly: what is claimed, and baselines of what is not."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from gaussian import Gaussian, Law, decaying, exact_law, posterior, wasserstein
from guided import Stream, cg

from restore.engine import reverse
from restore.guidance import DAPS, DDRM, DPS, MMPS, TDS, PiGDM
from restore.operators import Mask
from restore.problem import Problem
from restore.sampling import samplers, schedules

ROOT = Path(__file__).parent.parent
BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
ABAR = (1 - BETAS).cumprod(0)
LEVELS = ((1 - ABAR) / ABAR).sqrt().flip(0)

# A correlated Gaussian with a hole.
SIZE = 32
LINE = (1, 1, SIZE)
LINES = Gaussian(decaying(SIZE))
HIDDEN = torch.zeros(SIZE, dtype=torch.bool)
HIDDEN[12:20] = True
HOLED = Mask(~HIDDEN.reshape(1, 1, 1, SIZE))


def holed(seed, prior=LINES):
    return Problem(HOLED(prior.draw(1, LINE, seed)), HOLED, 0.0, (1, *LINE))


def distance(law, truth):
    """Error of the mean in posterior standard deviations, ratio of variances, W2."""
    error = (law.mean - truth.mean).square().sum() / truth.covariance.trace()
    ratio = (law.covariance.diagonal() / truth.covariance.diagonal()).mean()
    return float(error.sqrt()), float(ratio), wasserstein(law, truth)


def affine(guidance, schedule, seeds=range(4), prior=LINES):
    """Means over measurements, without sampling."""
    found = []
    for seed in seeds:
        law = exact_law(holed(seed, prior), prior, guidance, guidance.sampler(), schedule.double()).marginal(HIDDEN)
        found.append(distance(law, posterior(holed(seed, prior), prior).marginal(HIDDEN)))
    return torch.tensor(found).mean(dim=0).tolist()


def sampled(guidance, schedule, seed=0, count=2000, prior=LINES):
    problem = replace(holed(seed, prior), y=holed(seed, prior).y.float(), shape=(count, *LINE))
    with torch.no_grad():
        *_, answers = reverse(problem, prior, guidance, guidance.sampler(), schedule, Stream(seed))
    drawn = answers.flatten(1)[:, HIDDEN].double()
    return distance(Law(drawn.mean(0), torch.cov(drawn.T)), posterior(holed(seed, prior), prior).marginal(HIDDEN))


def even(steps):
    return schedules.ddpm(LEVELS, steps)


@pytest.mark.parametrize("steps", [5, 20])
def test_mmps_keeps_the_variance_at_few_steps(steps):
    error, ratio, transport = sampled(cg(MMPS), even(steps), count=4000)
    assert error < 0.1
    assert 0.9 < ratio < 1.1
    assert transport < 0.2
    # The paper's ancestral steps, for comparison.
    assert sampled(cg(MMPS, spread=0), even(steps))[1] < 0.75


def test_mmps_is_calibrated_at_250_steps():
    error, ratio, _ = sampled(cg(MMPS), even(250), count=500)
    assert error < 0.1
    assert 0.85 < ratio < 1.15


@pytest.mark.slow
def test_the_papers_mmps_is_calibrated_at_250_steps():
    error, ratio, _ = affine(cg(MMPS, spread=0, iterations=16), even(250), seeds=[0])
    assert error < 0.02
    assert 0.9 < ratio < 1


HOLE = torch.tensor([1, 1, 0, 0, 0, 0, 1, 1]).bool()
SHORT = Gaussian(decaying(8))


def particles(guidance, steps, count=1000):
    operator = Mask(HOLE.reshape(1, 1, 1, 8))
    problem = Problem(operator(SHORT.draw(1, (1, 1, 8))), operator, 0.0, (count, 1, 1, 8))
    with torch.no_grad():
        *_, answers = reverse(problem, SHORT, guidance, samplers.ddim(), even(steps), Stream(1))
    drawn = answers.flatten(1)[:, ~HOLE]
    law = Law(drawn.mean(0), torch.cov(drawn.T))
    return distance(law, posterior(replace(problem, shape=(1, 1, 1, 8)), SHORT).marginal(~HOLE))


@pytest.mark.slow
def test_tds_is_calibrated_at_250_steps():
    error, ratio, _ = particles(cg(TDS, particles=3, dense=0), 250)
    assert error < 0.1
    assert 0.85 < ratio < 1.15


@pytest.mark.parametrize("dense", [0, 16])
def test_tds_keeps_the_variance_at_few_steps(dense):
    error, ratio, _ = particles(cg(TDS, particles=3, dense=dense), 20)
    assert error < 0.1
    assert 0.9 < ratio < 1.1
    # The paper's ancestral steps, for comparison.
    assert particles(cg(TDS, particles=3, dense=dense, spread=0), 20)[1] < 0.8


def test_pigdm_is_calibrated_at_250_steps_for_white_pictures():
    error, ratio, _ = affine(PiGDM(), even(250), prior=Gaussian(torch.eye(SIZE, dtype=torch.float64)))
    assert error < 0.1
    assert 0.85 < ratio < 1.15


@pytest.mark.parametrize(
    ("guidance", "steps", "recorded"),
    [
        (PiGDM(), 250, (0.184, 1.1, 0.23)),
        (DDRM(), 100, (0.332, 0.946, 0.407)),
        (DAPS(), 40, (0.435, 2.74, 0.923)),
        (DPS(annealed=True), 100, (0.652, 1.372, 0.836)),
    ],
    ids=["PiGDM", "DDRM", "DAPS", "DPS annealed"],
)
def test_the_others_hold_the_distance_recorded(guidance, steps, recorded):
    levelled = Gaussian(decaying(SIZE), levels=LEVELS)  # DAPS asks the prior for its levels.
    assert affine(guidance, even(steps), seeds=range(2), prior=levelled) == pytest.approx(recorded, abs=0.005)


def test_dps_holds_the_distance_recorded():
    # Its step is not affine, so this one is sampled.
    assert sampled(DPS(zeta=0.5, annealed=False), even(1000), count=500) == pytest.approx((0.267, 0.731, 0.366), abs=0.05)


# The mixture of many modes


@pytest.fixture(scope="module")
def problems():
    from benchmarks.exactness import problems

    return problems


def mixture(problems, guidance, steps, seeds, count=300, **sizes):
    found = []
    for seed in seeds:
        case = problems.modes(seed, **sizes)
        problem = replace(case.problem, y=case.problem.y.float(), shape=(count, *case.problem.shape[1:]))
        with torch.no_grad():
            *_, answers = reverse(problem, case.prior, guidance(case), samplers.ddim(), even(steps), Stream(seed))
        exact = case.posterior.draw(count, torch.Generator().manual_seed(seed))
        found.append(problems.sliced_distance(answers, exact))
    return sum(found) / len(found)


def floor(problems, seeds, count=300, **sizes):
    found = []
    for seed in seeds:
        posterior = problems.modes(seed, **sizes).posterior
        a, b = (posterior.draw(count, torch.Generator().manual_seed(draw)) for draw in range(2))
        found.append(problems.sliced_distance(a, b))
    return sum(found) / len(found)


def test_the_oracle_reaches_the_floor(problems):
    sizes = {"size": 8, "measured": 4}
    assert mixture(problems, lambda case: problems.Oracle(case.posterior), 100, range(4), **sizes) < 1.3 * floor(
        problems, range(4), **sizes
    )


@pytest.mark.slow
def test_the_error_of_tds_falls_with_its_particles_to_the_floor(problems):
    sizes = {"size": 8, "measured": 1, "count": 200}
    errors = [mixture(problems, lambda case, k=k: cg(TDS, particles=k), 50, range(5), **sizes) for k in (1, 4, 16)]
    assert errors[0] > 1.5 * errors[1]
    assert errors[1] > 1.5 * errors[2]
    assert errors[2] < 2 * floor(problems, range(5), **sizes)


def test_the_benchmark_runs():
    command = [sys.executable, "-m", "benchmarks", "exactness", "--quick", "--only", "exact against"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
    assert ran.stdout.count("exact against exact") == 5
    assert "Proof 1: 2 measurements" in ran.stdout
