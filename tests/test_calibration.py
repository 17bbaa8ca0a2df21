"""Simulation-based calibration (Talts et al. 2018, 1804.06788): a true picture ranks uniformly among posterior samples."""

import pytest
import torch
from gaussian import Gaussian, decaying

from restore import kernels, paths
from restore.engine import reverse
from restore.guidance import MMPS, TDS
from restore.operators import Blur, Dense, Mask
from restore.problem import Problem

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


class Stream:
    def __init__(self, seed=0):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, like):
        return torch.randn(like.shape, generator=self.generator, dtype=like.dtype)


def unevenness(guidance, operator, sigma_y, steps, trials, draws=31):
    """The largest chi-squared statistic of the ranks of three projections."""
    prior = Gaussian(decaying(SIZE))
    noise = Stream(7)
    truth = prior.draw(trials, SHAPE, seed=3).float()
    y = operator(truth)
    y = y + sigma_y * noise(y)
    problem = Problem(y.repeat_interleave(draws, dim=0), operator, sigma_y, (trials * draws, *SHAPE))
    with torch.no_grad():
        *_, answers = reverse(problem, prior, guidance, kernels.ddim(), paths.ddpm(LEVELS, steps), noise)
    answers, truth = answers.reshape(trials, draws, SIZE), truth.reshape(trials, 1, SIZE)
    # The middle, the mean of the hole, and a difference across it.
    views = torch.zeros(SIZE, 3)
    views[SIZE // 2, 0], views[~KEEP, 1], views[6, 2], views[10, 2] = 1, 1, 1, -1
    ranks = (answers @ views < truth @ views).sum(dim=1)
    counts = torch.stack([torch.bincount(column * BINS // (draws + 1), minlength=BINS) for column in ranks.T]).double()
    expected = trials / BINS
    return float(((counts - expected).square() / expected).sum(dim=1).max())


@pytest.mark.parametrize("name", OPERATORS)
def test_mmps(name):
    assert unevenness(MMPS(iterations=12), *OPERATORS[name], steps=20, trials=200) < LIMIT


def test_tds():
    assert unevenness(TDS(particles=4, dense=0), *OPERATORS["noisy hole"], steps=50, trials=96, draws=15) < LIMIT


def test_the_test_sees_what_is_not_calibrated():
    assert unevenness(MMPS(iterations=12, spread=0), *OPERATORS["hole"], steps=5, trials=200) > 3 * LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("guidance", [MMPS(iterations=16, spread=8), TDS(particles=8, iterations=16)], ids=["MMPS", "TDS"])
def test_many_trials(guidance, name):
    steps = 20 if isinstance(guidance, MMPS) else 250
    assert unevenness(guidance, *OPERATORS[name], steps=steps, trials=1000) < LIMIT
