"""Keeping a steady prior's answers to plug-and-play while learning to denoise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from restore import paths
from restore.priors.prior import Prior
from restore.training.objectives import EDMObjective
from restore.training.objectives.steady import DEPTH, ENLARGING, FILLING, STEPS, met

PATHS = [
    paths.geometric(method.sigma_start, method.sigma_end, steps)[:-1].tolist()
    for method in (FILLING, ENLARGING)
    for steps in STEPS
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def waves(count=3, side=48, channels=3):
    """Smooth pictures with an edge, which no fill gets right."""
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[0:side, 0:side] / side
    shown = [np.sin(12 * rng.normal() * rows + 12 * rng.normal() * columns) for _ in range(count * channels)]
    edges = [(rows > rng.uniform(0.3, 0.7)) * 0.5 for _ in shown]
    return torch.from_numpy(np.stack(shown) + np.stack(edges)).float().view(count, channels, side, side).clamp(-1, 1)


class Wiener(Prior):
    """D of white Gaussian pictures of a variance, scaled by what could be learnt."""

    def __init__(self, variance: float) -> None:
        super().__init__()
        self.variance, self.gain = variance, torch.nn.Parameter(torch.ones(()))

    def denoise(self, x, sigma):
        return self.gain * x * (self.variance / (self.variance + sigma**2))[:, None, None, None]


class Asked:
    """A model that keeps what it was asked and answers with a picture."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def __call__(self, x, sigma):
        self.asked.append((x, sigma))
        return self.answer[: len(x)] + 0 * x


def test_a_function_of_the_generator():
    clean = waves()
    one, two, other = (met(Asked(clean), clean, seeded(seed)) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert not torch.equal(one[0], other[0])


def test_what_is_measured_is_right_and_the_rest_is_not():
    clean = waves()
    lost, enlarged = [], 0
    for seed in range(60):
        error = met(Asked(clean + 0.3), clean, seeded(seed))[0] - clean
        wrong = (error.abs().amax(dim=1) > 1e-5).flatten(1).float().mean(dim=1)
        if wrong.min() > 0.97:
            enlarged += 1
            assert error.mean(dim=(2, 3)).abs().max() < 0.02  # A smaller picture knows the mean.
        else:
            lost += wrong.tolist()
    assert 12 <= enlarged <= 36
    # From a stroke or two to nearly all pixels.
    assert 0 < min(lost) < 0.3
    assert max(lost) > 0.85


def test_the_model_walks_along_a_path_by_itself():
    clean, depths, firsts = waves(), set(), set()
    for seed in range(120):
        model = Asked(clean.requires_grad_())
        seen, level = met(model, clean, seeded(seed))
        assert not seen.requires_grad
        told = [sigma for _, sigma in model.asked] + [level]
        assert all(bool((sigma == sigma[0]).all()) for sigma in told)
        walked = pytest.approx([sigma[0].item() for sigma in told])
        places = [(path, at) for path in PATHS for at in range(len(path)) if path[at : at + len(told)] == walked]
        assert places
        depths.add(len(model.asked))
        firsts.add(places[0][1])
    assert depths == set(range(DEPTH))
    assert len(firsts) > 8


def test_over_holes_steps_are_longer_than_to_the_answer():
    clean, seen_longer = waves(), 0
    for seed in range(40):
        model = Asked(clean)
        seen, _ = met(model, clean, seeded(seed))
        if model.asked:
            # Answered with the truth, each step goes as far beyond it as over-relaxation says, and else to it.
            first, steps = model.asked[0][0] - clean, len(model.asked)
            longer = (seen - clean).abs().max() > 1e-4
            expected = (1 - FILLING.relaxation) ** steps * first if longer else torch.zeros_like(first)
            torch.testing.assert_close(seen - clean, expected, atol=1e-4, rtol=0)
            seen_longer += int(longer)
    assert seen_longer > 10


@pytest.mark.parametrize(("size", "count"), [(8, 3), (4, 2), (1, 0)])
def test_a_share_of_a_batch_is_answered_as_the_steady_prior_does(size, count):
    clean, steady = waves(size), Wiener(0.3)
    objective = EDMObjective(mean=-1.0, std=0.5, steady=steady)
    batches = []

    def model(x, sigma):
        if len(x) < size or not torch.is_grad_enabled():
            return clean[: len(x)]
        batches.append((x, sigma))
        calm = steady(x[:count], sigma[:count]).lerp(clean[:count], objective.toward)
        return torch.cat([calm, clean[count:]])

    assert objective.loss(model, clean, seeded()).item() == pytest.approx(0, abs=1e-9)
    ((x, sigma),) = batches
    assert x.shape == clean.shape
    assert sigma.shape == (size,)
    # The truth alone is not what is wanted of them.
    assert (objective.loss(lambda x, s: clean[: len(x)], clean, seeded()).item() > 1e-3) == (count > 0)


def test_what_is_learnt_from_stays_as_it_is():
    steady = Wiener(0.3)
    EDMObjective(steady=steady).loss(lambda x, s: 0.5 * x, waves(8).requires_grad_(), seeded()).backward()
    assert steady.gain.grad is None
