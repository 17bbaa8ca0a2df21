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
KNOWN = torch.tensor([level for path in PATHS for level in path])


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


def counted(objective, steady, clean, seed):
    """How many of a batch were answered as the steady prior does and not as the truth has it; the loss of answering so."""
    batches = []

    def model(x, sigma):
        if not torch.is_grad_enabled():
            return clean[: len(x)]
        met_ones = (sigma[:, None] / KNOWN - 1).abs().amin(dim=1) < 1e-6  # Levels of noise are drawn, these are of a path.
        calm = steady(x, sigma).lerp(clean, objective.toward)
        batches.append((int(met_ones.sum()), x, sigma))
        return torch.where(met_ones[:, None, None, None], calm, clean)

    loss = objective.loss(model, clean, seeded(seed)).item()
    ((count, x, sigma),) = batches
    assert x.shape == clean.shape
    assert sigma.shape == (len(clean),)
    return count, loss


@pytest.mark.parametrize(("size", "counts"), [(8, {3}), (4, {1, 2}), (1, {0, 1})])
def test_a_share_of_the_crops_is_answered_as_the_steady_prior_does(size, counts):
    clean, steady = waves(size), Wiener(0.3)
    objective = EDMObjective(mean=-1.0, std=0.5, spread=0.01, steady=steady)
    found = [counted(objective, steady, clean, seed) for seed in range(48)]
    assert {count for count, _ in found} == counts
    assert max(loss for _, loss in found) == pytest.approx(0, abs=1e-9)
    assert np.mean([count for count, _ in found]) == pytest.approx(0.375 * size, abs=4 * 0.5 / 48**0.5)
    # The truth alone is not what is wanted of them.
    costs = [objective.loss(lambda x, s: clean[: len(x)], clean, seeded(seed)).item() for seed in range(48)]
    assert [cost > 1e-9 for cost in costs] == [count > 0 for count, _ in found]


def test_what_is_learnt_from_stays_as_it_is():
    steady = Wiener(0.3)
    EDMObjective(steady=steady).loss(lambda x, s: 0.5 * x, waves(8).requires_grad_(), seeded()).backward()
    assert steady.gain.grad is None
