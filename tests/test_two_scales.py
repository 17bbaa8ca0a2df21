"""`TwoScalesSamples`: samples beside the estimate of `TwoScales`, for noisy and compressed small pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from gaussian import Gaussian, dense, posterior
from guided import cg, random, smooth
from photographs import Shrinking, cheap, crop, noisy
from PIL import Image

from restore import solve
from restore.engine import reverse
from restore.guidance import DDNM, MMPS
from restore.guidance.mmps import ShortMMPS
from restore.guidance.two_scales import TwoScales, TwoScalesSamples
from restore.images import as_picture
from restore.noise.model import NoiseModel
from restore.operators import Downsample, Identity
from restore.options.checked import build
from restore.options.run_options import RunOptions
from restore.planning.defaults import default_estimate
from restore.planning.estimate import estimate
from restore.planning.methods import choose_methods
from restore.planning.plan import make_plan
from restore.plugins import manager
from restore.priors import Prior
from restore.problem import Problem
from restore.sampling.noise import Noise
from restore.solving.solver import last, run

SHAPE, SMALL = (1, 8, 8), (1, 4, 4)
OPERATOR = Downsample((8, 8), 2)


class AtBothScales(Prior):
    """Gaussian pictures, and what `OPERATOR` makes of them: the best denoiser of either, by size."""

    def __init__(self) -> None:
        super().__init__()
        self.large = Gaussian(smooth(*SHAPE), mean=0.1)
        matrix = dense(OPERATOR, SHAPE)
        self.small = Gaussian(matrix @ self.large.covariance @ matrix.T, mean=0.1)
        self.channels = 1

    def denoise(self, x, sigma):
        return (self.large if x.shape[-1] == SHAPE[-1] else self.small).denoise(x, sigma)


PRIOR = AtBothScales()


def problem_of(count=1, sigma_y=0.3):
    y = OPERATOR(PRIOR.large.draw(1, SHAPE, seed=3)) + sigma_y * random(1, *SMALL, seed=4)
    return Problem(y.expand(count, -1, -1, -1), OPERATOR, sigma_y, (count, *SHAPE))


def drawn(method, problem, steps, seed=0):
    """(samples, z)"""
    schedule = method.schedule(PRIOR, problem, steps).double()
    noise = Noise([1000 * seed + index for index in range(len(problem.y))])
    *_, x = reverse(problem, PRIOR, method, method.sampler(), schedule, noise)
    return x, PRIOR.small(problem.y, torch.tensor(problem.sigma_y, dtype=torch.float64))


def test_every_sample_is_reduced_to_the_cleaned_picture():
    x, z = drawn(TwoScalesSamples(), problem_of(5), 12)
    torch.testing.assert_close(OPERATOR(x), z, atol=1e-7, rtol=0)
    assert float((x[0] - x[1]).abs().mean()) > 0.02
    again, _ = drawn(TwoScalesSamples(), problem_of(5), 12)
    torch.testing.assert_close(x, again, atol=0, rtol=0)
    other, _ = drawn(TwoScalesSamples(), problem_of(5), 12, seed=1)
    assert float((x - other).abs().mean()) > 0.02


def test_the_mean_is_the_posterior_mean_and_the_spread_that_of_x_given_a_x():
    """E[x | y] = E[E[x | A x] | y], and for Gaussian pictures E[x | A x] is affine in A x, so z may take its place."""
    count = 600
    wanted = posterior(problem_of(), PRIOR.large).mean
    x, z = drawn(TwoScalesSamples(second=cg(MMPS, iterations=16, spread=16)), problem_of(count), 8)
    exact = posterior(Problem(z[:1], OPERATOR, 0.0, (1, *SHAPE)), PRIOR.large)
    torch.testing.assert_close(exact.mean, wanted, atol=1e-9, rtol=0)
    deviation = exact.covariance.diagonal().mean().sqrt()
    found = x.flatten(1)
    assert float((found.mean(dim=0) - wanted).square().mean().sqrt()) < 0.1 * float(deviation)
    assert float(found.var(dim=0).sum() / exact.covariance.trace()) == pytest.approx(1, abs=0.06)
    # DDNM, the default, keeps the mean nearly, and most of the spread.
    found = drawn(TwoScalesSamples(), problem_of(count), 40)[0].flatten(1)
    assert float((found.mean(dim=0) - wanted).square().mean().sqrt()) < 0.3 * float(deviation)
    assert 0.5 < float(found.var(dim=0).sum() / exact.covariance.trace()) < 1.2


def test_runs_that_start_low_start_from_the_cleaned_picture():
    """With a prior that always answers 0 and no noise drawn, the first state is the estimate from z alone."""
    seen = []

    class Zero(Prior):
        channels = 1
        sigma_start = 2.0

        def denoise(self, x, sigma):
            seen.append(x.clone())
            return torch.full_like(x, 0.25 if x.shape[-1] == 4 else 0.0)

    problem = problem_of()
    problem = Problem(problem.y, OPERATOR, 0.3, problem.shape, start=OPERATOR.initial_estimate(problem.y))
    method = TwoScalesSamples()
    schedule = method.schedule(Zero(), problem, 3).double()
    assert float(schedule[0]) == pytest.approx(2)
    *_, x = reverse(problem, Zero(), method, method.sampler(), schedule, torch.zeros_like)
    torch.testing.assert_close(seen[0].flatten().sort().values, problem.y.flatten().sort().values)  # Turned.
    torch.testing.assert_close(seen[1], torch.full((1, *SHAPE), 0.25, dtype=torch.float64))
    torch.testing.assert_close(OPERATOR(x), torch.full((1, *SMALL), 0.25, dtype=torch.float64))


def test_one_seed_makes_the_same_samples_whatever_their_number():
    problem = Problem(problem_of().y.float(), OPERATOR, 0.3, (1, *SHAPE))
    three, same, other = (
        last(solve(problem, PRIOR, TwoScalesSamples(), steps=4, samples=count, fidelity=0.0, seed=seed)).samples
        for count, seed in ((3, 0), (1, 0), (1, 1))
    )
    torch.testing.assert_close(three[:1], same)
    assert float((same - other).abs().mean()) > 0.02


# Which method is chosen


def small_picture(sigma=0.0, quality=None):
    array = noisy(crop("coffee", 100, 100, 64)[::2, ::2], sigma)
    if quality is None:
        return array
    file = io.BytesIO()
    Image.fromarray(array).save(file, "JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue()))


def chosen(task, picture, **words):
    """The task's own estimate, and the method that samples."""
    task = manager.load().task(task)
    options = build(task.Options, **words)
    problem = task.problem(as_picture(picture), options)
    own = task.guidance(problem, options) or default_estimate(problem)
    draws, _ = choose_methods(problem, RunOptions(fidelity=0.0), own)
    return own, draws[0].guidance


@pytest.mark.parametrize(
    ("task", "picture", "words"),
    [
        ("super-resolution", small_picture(6), {"scale": 2, "sigma": 6}),
        ("super-resolution", small_picture(quality=30), {"scale": 2}),
        ("auto", small_picture(12), {"scale": 2}),
    ],
    ids=["noise", "JPEG", "auto"],
)
def test_noisy_and_compressed_pictures_are_cleaned_for_samples_too(task, picture, words):
    own, sampling = chosen(task, picture, **words)
    assert isinstance(own, TwoScales)
    assert sampling == TwoScalesSamples(estimate=own)


def test_other_samples_are_drawn_as_ever():
    assert type(chosen("super-resolution", small_picture(), scale=2, sigma=0)[1]) is ShortMMPS
    problem = Problem(torch.zeros(1, 3, 4, 4), OPERATOR, 0.1, (1, 3, 8, 8))
    named, _ = choose_methods(problem, RunOptions(guidance=DDNM()), TwoScales())
    assert named[0].guidance == DDNM()


def test_half_fidelity_lies_between_the_estimate_and_a_sample():
    small = small_picture(6)
    words = {"scale": 2, "sigma": 6, "reduced_by": "bicubic", "steps": 3}
    faithful, draw, blend = (cheap()("super-resolution", small, fidelity=f, **words) for f in (1.0, 0.0, 0.25))
    assert (faithful.answer, draw.answer, blend.answer) == ("estimate", "sample", "blend")
    assert draw.record["guidance"] == "TwoScalesSamples"
    one, other, found = (result.picture.pixels for result in (faithful, draw, blend))
    inside = (one.abs() < 0.99) & (other.abs() < 0.99)  # Pictures are clipped after they are blended.
    assert float(inside.float().mean()) > 0.5
    torch.testing.assert_close(found[inside], (0.25 * one + 0.75 * other)[inside], atol=6e-3, rtol=0)


# What it costs


@pytest.mark.parametrize("noise", ["white", "coloured"])
def test_the_plan_counts_its_evaluations(noise):
    law = NoiseModel.white(0.1)
    if noise == "coloured":
        wide = torch.zeros(3, 3, 3)
        wide[:, 1, 1], wide[:, 0, 1], wide[:, 2, 1] = 1.0, 0.4, 0.4
        law = NoiseModel(law.levels, law.deviation, wide)
    problem = Problem(torch.zeros(1, 3, 24, 40), Downsample((96, 160), 4), 0.1, (1, 3, 96, 160), noise=law)
    method, seen = TwoScalesSamples(), []

    class Seen(Shrinking):
        def denoise(self, x, sigma):
            seen.append(tuple(sorted(x.shape[-2:])))  # Views of the prior turn pictures.
            return super().denoise(x, sigma)

    plan = make_plan(problem, Seen(), method, steps=5)
    estimated = estimate([plan])
    seen.clear()
    last(run([plan], 1.0, 0))
    sizes = {size: seen.count(size) for size in seen}
    assert sizes == {(24, 40): 1 if noise == "white" else method.estimate.first_steps, (96, 160): 5}
    assert estimated.evaluations == len(seen)


def test_it_needs_a_linear_operator_and_takes_any_noise(caplog):
    TwoScalesSamples().check(Problem(torch.zeros(1, 3, 4, 4), Identity(), 0.1, (1, 3, 4, 4), noise=NoiseModel.white(0.1)))
    assert not caplog.records
    assert np.array_equal([TwoScalesSamples.fast, TwoScalesSamples.steps, TwoScalesSamples.best], [20, 40, 100])
