"""Tuning a prior on the picture at hand: what it learns from, when it is kept, and that nothing else changes."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from restore import Prior, Problem, Restorer, UsageError, solve
from restore.adapting.material import material
from restore.operators import Blur, Downsample, Identity, Mask
from restore.options.length import Length
from restore.results.provenance import weights_hash
from restore.solving.solver import last
from restore_plugins.inpaint import Inpaint


class Leaning(Prior):
    """The posterior mean for white pictures, of a mean that is learnt."""

    def __init__(self, lean: float = 0.0, deviation: float = 0.05) -> None:
        super().__init__()
        self.lean, self.deviation, self.channels = nn.Parameter(torch.tensor(lean)), deviation, 1

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        weight = self.deviation**2 / (self.deviation**2 + sigma[:, None, None, None] ** 2)
        return self.lean + weight * (x - self.lean)


def holes(side=128, level=0.3):
    """White pictures of mean `level` with holes in the middle."""
    x = level + 0.05 * torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(0))
    keep = torch.ones(1, 1, side, side, dtype=torch.bool)
    keep[..., 60:68, 20:100] = False
    return x, Problem(y=x * keep, operator=Mask(keep), sigma_y=0.0, shape=tuple(x.shape))


@pytest.mark.parametrize(
    ("said", "total"), [("200", 200), (3, 3), ("90s", 90), ("2min", 120), ("0.5h", 1800), (" 1.5 min ", 90)]
)
def test_a_length_is_steps_or_a_time(said, total):
    assert Length.of(said).total == total


@pytest.mark.parametrize("said", ["", "fast", "-3", "0", "1.5", "10 days", "25h", "1e3", True, 2.5, "nan", "2m"])
def test_no_other_length(said):
    with pytest.raises(UsageError, match="adapt"):
        Length.of(said)


def test_a_wrong_prior_learns_the_picture():
    # The tests that are held out say when: the mean of the picture is 0.3, and a prior that leans to -0.5 fills holes with it.
    x, problem = holes()
    prior = Leaning(-0.5)
    plain = last(solve(problem, prior, "pnp"))
    tuned = last(solve(problem, prior, "pnp", adapt=60))
    told = tuned.record["adapted"]
    assert told["steps"] == 60
    assert told["kept"] > 0
    assert told["after"] > told["before"]
    hole = ~problem.operator.keep
    assert (tuned.x - x)[hole].square().mean() < (plain.x - x)[hole].square().mean()
    assert torch.equal(tuned.x[~hole], x[~hole])


def test_a_right_prior_stays_as_it_is():
    x, problem = holes()
    prior = Leaning(float(x[problem.operator.keep].mean()))
    tuned = last(solve(problem, prior, "pnp", adapt=50))
    assert tuned.record["adapted"]["kept"] == 0
    assert torch.equal(tuned.x, last(solve(problem, prior, "pnp")).x)


def test_the_prior_given_does_not_change():
    _, problem = holes()
    prior = Leaning(-0.5)
    before = weights_hash(prior)
    events = list(solve(problem, prior, "pnp", adapt=30))
    assert weights_hash(prior) == before
    assert prior.lean.grad is None
    counts = [event.step for event in events]
    assert counts == sorted(counts)
    assert counts[-1] == events[-1].steps


def test_a_tuning_is_repeated_by_its_seed_alone():
    _, problem = holes()
    first, again, other = (last(solve(problem, Leaning(-0.5), "pnp", adapt=60, seed=seed)).x for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_time_bounds_it(monkeypatch):
    # A clock of one second a look: no real time decides.
    clock = iter(range(10_000))
    monkeypatch.setattr("restore.adapting.tuning.time.monotonic", lambda: float(next(clock)))
    _, problem = holes()
    told = last(solve(problem, Leaning(-0.5), "pnp", adapt="60s")).record["adapted"]
    assert told["steps"] == 60


def test_a_time_is_repeated_by_its_steps(monkeypatch):
    # The record names the steps; the last ones count however the run ended.
    clock = iter(range(10_000))
    monkeypatch.setattr("restore.adapting.tuning.time.monotonic", lambda: float(next(clock)))
    _, problem = holes()
    timed = last(solve(problem, Leaning(-0.5), "pnp", adapt="121s"))
    told = timed.record["adapted"]
    assert told["steps"] % 25
    assert told["kept"] == told["steps"]
    again = last(solve(problem, Leaning(-0.5), "pnp", adapt=told["steps"]))
    assert again.record["adapted"] == told
    assert torch.equal(again.x, timed.x)


@pytest.mark.parametrize(
    ("operator", "shape"),
    [(Downsample((256, 256), 2), (1, 1, 256, 256)), (Identity(), (1, 1, 200, 160))],
)
def test_material_is_what_is_shown(operator, shape):
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0)) - 0.5
    found = material(Problem(y=operator(x), operator=operator, sigma_y=0.0, shape=shape))
    crops = found.crops(6, np.random.default_rng(0))
    assert crops.known.all()
    assert crops.clean.shape[-1] == found.side
    posed, wanted = found.posed(found.tests[0], np.random.default_rng(0))
    assert torch.equal(wanted.clean, found.tests[0].clean)
    assert type(posed.operator) is type(operator)
    assert posed.shape[-1] == found.side
    assert torch.allclose(posed.y, posed.operator(found.tests[0].clean), atol=1e-6)


def test_what_is_held_out_is_not_learnt_from():
    _, problem = holes()
    count = problem.y.numel()
    places = torch.randperm(count, generator=torch.Generator().manual_seed(1)).reshape(problem.y.shape) / count
    found = material(replace(problem, y=places * problem.operator.keep))
    learnt = torch.zeros_like(problem.operator.keep)
    for top, left in found.corners[0].tolist():
        learnt[..., top : top + found.side, left : left + found.side] = True
    assert learnt.any()
    for test in found.tests:
        assert not torch.isin(test.clean[test.known], places[learnt]).any()


def test_what_is_missing_counts_nowhere():
    # Holes of NaN would spread; here they hold a value that nothing else has, and the fill over them is not learnt.
    _, problem = holes()
    found = material(problem)
    dice = np.random.default_rng(0)
    crops = found.crops(16, dice)
    for clean, known in zip(crops.clean.split(1), crops.known.split(1), strict=True):
        operator = found.operator(known, dice)
        missing = operator.missing_mask(clean.shape)
        assert (missing & known).any(), "something to learn"
        assert (missing | known).all(), "what is not known is not measured"


def test_split_noise_is_independent_and_of_its_level():
    # Of white pixels, n of them: a deviation has a relative standard error of (2 n)^-0.5, a covariance one of n^-0.5.
    clean, level = torch.zeros(1, 1, 768, 768), 0.2
    noise = level * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    found = material(Problem(y=clean + noise, operator=Identity(), sigma_y=level, shape=tuple(clean.shape)))
    first, second = found.split(clean + noise, 0.5, torch.Generator().manual_seed(1))
    more, target = level * 1.25**0.5, level * 5**0.5
    count = clean.numel()
    assert abs(float(first.std()) / more - 1) < 5 / (2 * count) ** 0.5
    assert abs(float(second.std()) / target - 1) < 5 / (2 * count) ** 0.5
    assert abs(float((first * second).mean())) < 5 * more * target / count**0.5


def test_noise_does_not_teach_noise():
    # The mean of the noisy picture is 0.3, its noise is four times what the prior takes for detail.
    picture = 0.3 + 0.05 * torch.randn(1, 1, 160, 160, generator=torch.Generator().manual_seed(0))
    y = picture + 0.2 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(1))
    problem = Problem(y=y, operator=Identity(), sigma_y=0.2, shape=tuple(picture.shape))
    prior = Leaning(0.0)
    plain, tuned = (last(solve(problem, prior, **more)) for more in ({}, {"adapt": 100}))
    assert tuned.record["adapted"]["kept"] > 0
    assert (tuned.x - picture).square().mean() < (plain.x - picture).square().mean()


def test_holes_in_noise_are_learnt_from_what_is_known():
    x, problem = holes()
    noise = 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    noisy = replace(problem, y=(x + noise) * problem.operator.keep, sigma_y=0.1)
    plain, tuned = (last(solve(noisy, Leaning(-0.5), "pnp", **more)) for more in ({}, {"adapt": 60}))
    hole = ~problem.operator.keep
    assert tuned.record["adapted"]["kept"] > 0
    assert (tuned.x - x)[hole].square().mean() < (plain.x - x)[hole].square().mean()


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (
            Problem(y=torch.zeros(1, 1, 64, 64), operator=Blur.gaussian((64, 64), 2.0), sigma_y=0.01, shape=(1, 1, 64, 64)),
            "nothing",
        ),
        (
            Problem(y=torch.zeros(1, 1, 64, 64), operator=Downsample((128, 128), 2), sigma_y=0.05, shape=(1, 1, 128, 128)),
            "nothing",
        ),
        (holes(side=128)[1], ""),
        (Problem(y=torch.zeros(1, 1, 40, 40), operator=Identity(), sigma_y=0.1, shape=(1, 1, 40, 40)), "too little"),
    ],
)
def test_where_there_is_nothing_to_learn_it_says_so(problem, words):
    if not words:
        material(problem)
        return
    with pytest.raises(UsageError, match=words):
        next(iter(solve(problem, Leaning(), "pnp", adapt=5)))


def test_an_answer_needs_no_tuning():
    x, problem = holes()
    for operator in (Identity(), Mask(torch.ones_like(problem.operator.keep))):
        result = last(solve(replace(problem, y=x, operator=operator), Leaning(-0.5), "pnp", adapt=5))
        assert "adapted" not in result.record
        assert torch.equal(result.x, x)


def test_a_record_keeps_the_steps():
    picture = (127.5 * (1.3 + 0.05 * np.random.default_rng(0).standard_normal((320, 320)))).astype(np.uint8)
    mask = np.zeros_like(picture)
    mask[60:66, 20:90] = 255
    result = Restorer(Leaning(-0.5))(Inpaint(), picture, mask=mask, guidance="pnp", adapt="20")
    assert result.record["request"]["adapt"] == "20"
    assert result.record["adapted"]["steps"] == 20
    assert math.isfinite(result.record["adapted"]["after"])


def test_patches_and_tuning_exclude_each_other():
    picture = np.full((160, 160), 120, np.uint8)
    mask = np.zeros_like(picture)
    mask[40:110, 40:110] = 255
    with pytest.raises(UsageError, match="fill"):
        Restorer(Leaning())("inpaint", picture, mask=mask, fill="texture", adapt=5)
