"""Simulation-based calibration (Talts et al. 2018, 1804.06788): a true picture ranks uniformly among posterior samples."""

import pytest
import torch
from gaussian import Gaussian, decaying
from guided import Stream, cg

from restore.engine import reverse
from restore.guidance import MMPS, TDS
from restore.operators import Blur, Dense, Mask
from restore.problem import Problem
from restore.sampling import samplers, schedules

BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
ABAR = (1 - BETAS).cumprod(0)
LEVELS = ((1 - ABAR) / ABAR).sqrt().flip(0)
SIZE = 16
SHAPE = (1, 1, SIZE)
KEEP = torch.ones(SIZE, dtype=torch.bool)
KEEP[5:12] = False
OPERATORS = {
    "hole": (Mask(KEEP.reshape(1, 1, 1, SIZE)), 0.0),
    "noisy hole": (Mask(KEEP.reshape(1, 1, 1, SIZE)), 0.5),
    "few sums": (Dense(torch.randn(4, SIZE, generator=torch.Generator().manual_seed(1)) / 4, SHAPE), 0.3),
    "blur": (Blur(torch.tensor([[0.2, 0.5, 0.3]]), (1, SIZE)), 0.2),
}
BINS = 8
LIMIT = 24.3  # Chi-squared of 7 degrees of freedom, exceeded by one uniform histogram in a thousand.
ERRORS = 3.5  # Standard errors, exceeded by one mean in two thousand.


def drawn(guidance, operator, sigma_y, steps, trials, draws=31):
    """Answers (trials, draws, SIZE), and true pictures (trials, 1, SIZE)."""
    prior = Gaussian(decaying(SIZE))
    noise = Stream(7)
    truth = prior.draw(trials, SHAPE, seed=3).float()
    y = operator(truth)
    y = y + sigma_y * noise(y)
    problem = Problem(y.repeat_interleave(draws, dim=0), operator, sigma_y, (trials * draws, *SHAPE))
    with torch.no_grad():
        *_, answers = reverse(problem, prior, guidance, samplers.ddim(), schedules.ddpm(LEVELS, steps), noise)
    return answers.reshape(trials, draws, SIZE), truth.reshape(trials, 1, SIZE)


def ranked(answers, truth, variance=1.0):
    """Of true values among drawn ones, as shares in (0, 1), for three projections. `variance` falsifies the drawn ones."""
    mean = answers.mean(dim=1, keepdim=True)
    answers = mean + variance**0.5 * (answers - mean)
    # The middle, the mean of the hole, and a difference across it.
    views = torch.zeros(SIZE, 3)
    views[SIZE // 2, 0], views[~KEEP, 1], views[6, 2], views[10, 2] = 1, 1, 1, -1
    return ((answers @ views < truth @ views).sum(dim=1).double() + 0.5) / (answers.shape[1] + 1)


def ranks(*words, **more):
    return ranked(*drawn(*words, **more))


def unevenness(shares):
    """The largest chi-squared statistic of the histograms."""
    counts = torch.stack([torch.bincount((column * BINS).long(), minlength=BINS) for column in shares.T]).double()
    expected = len(shares) / BINS
    return float(((counts - expected).square() / expected).sum(dim=1).max())


def overconfidence(shares):
    """How far true values lie from the middle of the drawn ones, in standard errors: above 0 where the spread is too small.

    Sharper than the histogram: shares of a uniform law have (u - 1/2)^2 of mean 1/12 and variance 1/180.
    """
    errors = ((shares - 0.5).square().mean(dim=0) - 1 / 12) / (1 / 180 / len(shares)) ** 0.5
    return float(errors[errors.abs().argmax()])


def check(shares):
    assert unevenness(shares) < LIMIT
    assert abs(overconfidence(shares)) < ERRORS


@pytest.mark.parametrize("name", OPERATORS)
def test_mmps(name):
    check(ranks(cg(MMPS, iterations=12), *OPERATORS[name], steps=20, trials=200))


def test_tds():
    check(
        ranks(
            cg(TDS, particles=4, dense=0),
            *OPERATORS["noisy hole"],
            steps=20,
            trials=96,
            draws=15,
        )
    )


# Both are exact for Gaussian pictures in one step, so that many trials cost little.
ONE_STEP = {
    "MMPS": cg(MMPS, iterations=16, spread=16),
    "TDS": cg(TDS, particles=2, iterations=16, spread=16),
}


@pytest.fixture(scope="module", params=ONE_STEP)
def one_step(request):
    return drawn(ONE_STEP[request.param], *OPERATORS["few sums"], steps=1, trials=1000)


def test_one_step(one_step):
    check(ranked(*one_step))


@pytest.mark.parametrize("variance", [0.8, 1.25])
def test_the_test_sees_a_variance_that_is_wrong_by_a_fifth(one_step, variance):
    found = overconfidence(ranked(*one_step, variance))
    assert found > ERRORS if variance < 1 else found < -ERRORS


def test_the_test_sees_a_walk_that_shrinks():
    shares = ranks(cg(MMPS, iterations=12, spread=0), *OPERATORS["hole"], steps=5, trials=200)
    assert unevenness(shares) > 3 * LIMIT
    assert overconfidence(shares) > 3 * ERRORS


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize(
    "guidance",
    [cg(MMPS, iterations=16, spread=8), cg(TDS, particles=4, iterations=16)],
    ids=["MMPS", "TDS"],
)
def test_many_trials(guidance, name):
    check(ranks(guidance, *OPERATORS[name], steps=20, trials=1000))
