"""Noise that is clipped at the ends of the range: censored data."""

import math

import numpy as np
import pytest
import torch
from photographs import crop, noisy, psnr

from restore import Restorer
from restore.guidance import Denoising
from restore.noise.clipping import is_clipped, uncensored
from restore.operators import Identity
from restore.priors.prior import Prior
from restore.problem import Problem

GRID = np.linspace(-12, 12, 200_001)


def density(value, mean, deviation):
    return np.exp(-(((value - mean) / deviation) ** 2) / 2) / (deviation * math.sqrt(2 * math.pi))


@pytest.mark.parametrize("x", [-0.9, 0.0, 0.7, 1.0])
@pytest.mark.parametrize("deviation", [0.1, 0.4])
@pytest.mark.parametrize("end", [-1.0, 1.0])
def test_a_clipped_sample_is_the_mean_of_what_lies_beyond(x, deviation, end):
    beyond = GRID[GRID * end >= 1]
    # In logarithms up to a factor, as tails are below the least number.
    weight = np.exp((((1 - x * end) / deviation) ** 2 * (x * end < 1) - ((beyond - x) / deviation) ** 2) / 2)
    expected = (beyond * weight).sum() / weight.sum()
    y, estimate = torch.tensor([end, 0.3, -0.99]), torch.full((3,), x)
    found = uncensored(y.double(), estimate.double(), deviation)
    assert float(found[0]) == pytest.approx(expected, abs=1e-3)
    assert found[1:].tolist() == y.double()[1:].tolist()


@pytest.mark.parametrize("mean", [0.2, 0.8, 1.1])
def test_repeated_it_finds_the_mode_of_a_gaussian_prior_and_a_censored_sample(mean):
    spread, deviation = 0.3, 0.4
    beyond = np.array([0.5 * math.erfc((1 - x) / deviation / math.sqrt(2)) for x in GRID[::10]])
    posterior = density(GRID[::10], mean, spread) * beyond
    share = spread**2 / (spread**2 + deviation**2)
    x = torch.tensor([mean], dtype=torch.float64)
    for _ in range(200):
        x = mean + share * (uncensored(torch.ones(1, dtype=torch.float64), x, deviation) - mean)
    assert float(x) == pytest.approx(GRID[::10][posterior.argmax()], abs=2e-3)


class Shrinking(Prior):
    """The posterior mean for independent Gaussian pixels of mean 0.5 and variance 0.25."""

    channels = 1

    def denoise(self, x, sigma):
        return 0.5 + (x - 0.5) * 0.25 / (0.25 + sigma.reshape(-1, 1, 1, 1) ** 2)


def test_denoising_puts_clipped_samples_back_once_and_leaves_others():
    y = torch.tensor([1.0, -1.0, 0.2, 0.9]).reshape(1, 1, 2, 2)
    level = torch.tensor(0.5)

    def answer(clipped):
        problem = Problem(y=y, operator=Identity(), sigma_y=0.5, shape=(1, 1, 2, 2), clipped=clipped)
        return Denoising().estimate(problem, Shrinking(), y, level)

    plain = Shrinking()(y, level)
    torch.testing.assert_close(answer(False), plain)
    torch.testing.assert_close(answer(True), Shrinking()(uncensored(y, plain, 0.5), level))
    assert answer(True).flatten()[2:].tolist() == plain.flatten()[2:].tolist()


def test_few_clipped_samples_do_not_count():
    y = torch.zeros(1, 1, 100, 100)
    y[..., 0, :9] = 1
    assert not is_clipped(y)
    y[..., 1, :9] = -1
    assert is_clipped(y)


def test_strong_clipped_noise_is_taken_out_better():
    truth = crop("astronaut", 100, 100, 96)
    restorer = Restorer.from_pretrained("photo", device="cpu", dtype="float32")
    given = noisy(truth, 50)
    pixels = torch.from_numpy(given.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    with torch.no_grad():
        plain = restorer.prior(pixels, 50 / 127.5)[0].clamp(-1, 1).permute(1, 2, 0).numpy()
    plain = ((plain + 1) * 127.5).round().astype(np.uint8)
    assert psnr(restorer("denoise", given, sigma=50).image, truth) > psnr(plain, truth) + 0.2
