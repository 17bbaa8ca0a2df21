"""Measurements that are known to lie in a set: which methods take that, and what their answers are."""

from dataclasses import replace

import pytest
import torch
from gaussian import Gaussian
from guided import KEEP, PRIOR, cg, measured, random, run, smooth

from restore.guidance import (
    DAPS,
    DDNM,
    DDRM,
    DPS,
    MMPS,
    TDS,
    Denoising,
    DenoisingSamples,
    DiffPIR,
    PiGDM,
    PnP,
    RePaint,
    SDEdit,
    Whitening,
)
from restore.operators import Downsample, Identity, Mask, Operator
from restore.operators.cell_plane import CellPlane
from restore.operators.constraint import Constraint
from restore.operators.jpeg import tables, to_blocks
from restore.operators.jpeg_cells import JPEGCells
from restore.operators.weighted import Weighted
from restore.options.run_options import RunOptions
from restore.planning.methods import choose_methods
from restore.problem import Problem

TAKING = [
    DAPS(ode=2),
    DDNM(),
    DPS(),
    DPS(zeta=0.3, annealed=False),
    DiffPIR(),
    cg(MMPS),
    cg(MMPS, spread=0),
    PiGDM(),
    PiGDM(adaptive=True),
    PnP(),
]
NOT_TAKING = [DDRM(), RePaint(), TDS(), Denoising(), DenoisingSamples(), SDEdit()]


def name(method):
    return repr(method).split("(")[0]


class Point(Constraint):
    """The set of one measurement."""

    def __init__(self, y):
        self.y = y

    def project(self, y):
        return self.y.expand(y.shape)


class Saturated(Operator):
    def __call__(self, x):
        return x.tanh()

    def pinv(self, y):
        return y.atanh()


@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@pytest.mark.parametrize("operator", [Mask(KEEP), Downsample((4, 6), 2)], ids=["mask", "downsample"])
@pytest.mark.parametrize("method", TAKING, ids=name)
def test_a_set_of_one_point_is_that_point(method, operator, sigma_y):
    problem = measured(operator, sigma_y, count=2)
    # An estimate to start at, which otherwise depends on y.
    problem = replace(problem, start=random(*problem.shape, seed=7))
    elsewhere = replace(problem, y=problem.y + random(*problem.y.shape, seed=8), constraint=Point(problem.y))
    torch.testing.assert_close(run(method, elsewhere), run(method, problem), atol=1e-12, rtol=0)


@pytest.mark.parametrize("method", [DAPS(ode=2, langevin=20), DPS()], ids=name)
def test_a_set_of_one_point_is_that_point_for_any_operator(method):
    problem = measured(Saturated(), 0.2, count=2)
    elsewhere = replace(problem, y=problem.y + random(*problem.y.shape, seed=8), constraint=Point(problem.y))
    torch.testing.assert_close(run(method, elsewhere), run(method, problem), atol=1e-12, rtol=0)


@pytest.fixture(scope="module")
def compressed():
    """A prior of gray pictures of 8 x 8 pixels, one drawn from it, and the same after a JPEG of quality 20, with its cells."""
    prior = Gaussian(smooth(8, 8), mean=0.1)
    truth = prior.draw(1, (1, 8, 8), 3)
    table = tables(20)[0]
    index = (to_blocks(truth * 127.5 - 0.5)[0, 0] / table).round().to(torch.int16)
    cells = JPEGCells([CellPlane(index, torch.ones(1, 1, dtype=torch.bool), table)], (8, 8))
    assert cells.project(truth).equal(truth)
    return prior, Problem(cells.prox(truth, 1e-9), Identity(), 0.0, (1, 1, 8, 8), constraint=cells)


def outside(problem, x):
    """How far x lies from the cells, as a root mean square in grey levels."""
    return float((problem.measurement(x) - x).square().mean().sqrt()) * 127.5


def test_a_weighted_set_is_the_set_of_weighted_points(compressed):
    _, problem = compressed
    cells = problem.constraint
    weights = 0.2 + random(1, 1, 8, 8, seed=1).sigmoid()
    weighted = Weighted(cells, weights)
    point, elsewhere = problem.y, random(1, 1, 8, 8, seed=2)
    torch.testing.assert_close(weighted.project(weights * point), weights * point, atol=1e-12, rtol=0)
    torch.testing.assert_close(weighted.project(weights * elsewhere) / weights, cells.project(elsewhere), atol=1e-12, rtol=0)
    torch.testing.assert_close(
        weighted.prox(weights * elsewhere, 3.0) / weights, cells.prox(elsewhere, 3.0), atol=1e-12, rtol=0
    )
    even = Weighted(cells, torch.ones(1, 1, 8, 8, dtype=torch.float64))
    assert even.project(elsewhere).equal(cells.project(elsewhere))
    whole = even.crop((0, 8, 0, 8))
    assert whole is not None
    assert whole.project(elsewhere).equal(cells.project(elsewhere))
    assert even.crop((0, 5, 0, 8)) is None


@pytest.mark.parametrize("method", TAKING, ids=name)
def test_answers_lie_in_the_cells(method, compressed):
    prior, problem = compressed
    free = prior.draw(1, (1, 8, 8), 4)
    assert outside(problem, free) > 20
    # A gradient in place of a projection comes close where the steps are many.
    steps, most = (200, 1.0) if isinstance(method, (DPS, PiGDM)) else (20, 1e-3)
    assert outside(problem, run(method, problem, prior, steps=steps)) < most


@pytest.mark.parametrize("method", [DDNM(), cg(MMPS), DAPS(ode=2)], ids=name)
def test_samples_differ_within_the_cells(method, compressed):
    """Of y taken as exact there would be one answer only."""
    prior, problem = compressed
    answers = [run(method, problem, prior, steps=20, seed=seed) for seed in (0, 1)]
    assert (answers[0] - answers[1]).square().mean().sqrt() * 127.5 > 1
    exact = replace(problem, constraint=None)
    answers = [run(method, exact, prior, steps=20, seed=seed) for seed in (0, 1)]
    torch.testing.assert_close(answers[0], answers[1], atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", NOT_TAKING, ids=name)
def test_methods_that_take_y_as_it_is_say_so(method, caplog):
    operator = Mask(KEEP) if isinstance(method, RePaint) else Identity()
    problem = measured(operator, 0.1)
    method.check(problem)
    assert not caplog.text
    method.check(replace(problem, constraint=Point(problem.y)))
    assert f"{type(method).__name__} takes the measurement as it is, and makes no use of the set" in caplog.text


@pytest.mark.parametrize("method", [*TAKING, Whitening()], ids=name)
def test_methods_that_take_the_set_say_nothing(method, caplog):
    problem = measured(Identity(), 0.0)
    method.check(replace(problem, constraint=Point(problem.y)))
    assert not caplog.text


@pytest.mark.parametrize("sigma_y", [0.0, 0.1])
@pytest.mark.parametrize("operator", [Identity(), Downsample((4, 6), 2)], ids=["identity", "downsample"])
def test_what_is_chosen_for_samples_takes_the_set(operator, sigma_y):
    problem = measured(operator, sigma_y, prior=PRIOR)
    draws, _ = choose_methods(replace(problem, constraint=Point(problem.y)), RunOptions(samples=2))
    assert all(draw.guidance.takes_constraint for draw in draws)
