"""The noise of a picture from the picture alone."""

import numpy as np
import pytest
import torch
from photographs import crop, noisy

from restore.noise.white import estimate_sigma
from restore.training.synthetic import dead_leaves


def pixels(samples):
    return torch.from_numpy(np.asarray(samples, np.float32)).permute(2, 0, 1)[None]


def photograph(name):
    return crop(name, 0, 0, 512)  # As large as it is: 300 pixels high at least.


@pytest.mark.parametrize("sigma", [5, 10, 25, 50])
@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_the_noise_of_photographs_is_found_within_ten_percent_clipped_or_not(name, sigma):
    # sigma 50 clips a third of the dark samples of the astronaut.
    assert estimate_sigma(pixels(noisy(photograph(name), sigma))) == pytest.approx(sigma, rel=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_edges_and_texture_of_clean_pictures_are_not_noise(seed):
    palette = crop("coffee", 100, 100).reshape(-1, 3)[::97]
    leaves = dead_leaves(np.random.default_rng(seed), palette, size=192)
    assert estimate_sigma(pixels(leaves)) < 1.5


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 16, 40), (1, 64, 64), (3, 100, 80)])
def test_pure_noise_is_found_in_small_pictures_too(shape):
    found = [estimate_sigma(0.3 * torch.randn(1, *shape, generator=torch.Generator().manual_seed(seed))) for seed in range(4)]
    assert np.mean(found) == pytest.approx(0.3, rel=0.2)


def test_the_answer_follows_the_unit_and_the_offset_of_the_samples():
    picture = pixels(noisy(crop("chelsea", 64, 64), 20))
    found = estimate_sigma(picture)
    assert estimate_sigma(picture / 127.5 - 1) == pytest.approx(found / 127.5, rel=1e-6)


def test_flat_and_tiny_pictures_have_no_noise():
    assert estimate_sigma(torch.full((1, 3, 64, 64), 0.4)) == pytest.approx(0, abs=1e-6)
    assert estimate_sigma(torch.randn(1, 3, 7, 100)) == 0
