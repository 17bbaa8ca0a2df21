from itertools import islice, pairwise

import pytest
import torch
from gaussian import Gaussian, Unguided, decaying, exact_law

from restore.engine import reverse
from restore.operators import Identity
from restore.problem import Problem
from restore.sampling import samplers
from restore.sampling.noise import Noise

SHAPE = (2, 1, 2, 3)
PROBLEM = Problem(torch.zeros(SHAPE), Identity(), 0.1, SHAPE)
PRIOR = Gaussian(decaying(6))


class Counting(Gaussian):
    calls = 0

    def denoise(self, x, sigma):
        self.calls += 1
        return super().denoise(x, sigma)


def run(schedule, prior=PRIOR, sampler=None):
    return reverse(PROBLEM, prior, Unguided(), sampler or samplers.ddim(), torch.tensor(schedule), Noise([0, 1]))


def test_yields_one_x_a_transition_and_ends_with_the_estimate():
    answers = list(run([4.0, 1.0, 2.0, 0.5, 0.0]))
    assert len(answers) == 4
    assert all(x.shape == SHAPE and x.dtype == torch.float32 for x in answers)
    torch.testing.assert_close(answers[-1], PRIOR(answers[-2], 0.5))


def test_is_the_loop_written_out():
    noise, sampler = Noise([0, 1]), samplers.ddim()
    x = 4.0 * noise(torch.empty(SHAPE))
    x = sampler(PRIOR, x, torch.tensor(4.0), torch.tensor(1.0), noise)
    x = x + 3**0.5 * noise(x)
    x = sampler(PRIOR, x, torch.tensor(2.0), torch.tensor(0.0), noise)
    *_, answer = run([4.0, 1.0, 2.0, 0.0])
    torch.testing.assert_close(answer, x)


@pytest.mark.parametrize("sampler", [samplers.ddim(1.0), samplers.ddim(0.0)])
def test_a_climb_adds_the_variance_missing(sampler):
    shape = (1, 1, 1, 6)
    problem = Problem(torch.zeros(shape, dtype=torch.float64), Identity(), 0.0, shape)
    down, up = ([4.0, 1.0], [4.0, 1.0, 3.0])
    before, after = (exact_law(problem, PRIOR, Unguided(), sampler, torch.tensor(schedule).double()) for schedule in (down, up))
    torch.testing.assert_close(after.covariance, before.covariance + 8 * torch.eye(6).double())
    torch.testing.assert_close(after.mean, before.mean)


def test_equal_levels_are_a_step_not_a_climb():
    prior = Counting(decaying(6))
    list(run([1.0, 1.0, 0.0], prior))
    assert prior.calls == 2


@pytest.mark.parametrize("schedule", [[4.0, 2.0, 1.0, 0.5, 0.0], [4.0, 2.0, 1.0, 3.0, 1.0, 0.5]])
def test_a_kernel_remembers_one_descent(schedule):
    # What it learned before a climb, or in an earlier run, changes nothing after.
    sampler, noise = samplers.dpmpp_2m(), Noise([0, 1])
    *_, answer = run(schedule, sampler=sampler)
    *_, again = run(schedule, sampler=sampler)
    assert torch.equal(answer, again)
    x, step = 4.0 * noise(torch.empty(SHAPE)), samplers.begin(sampler)
    for sigma, after in pairwise(torch.tensor(schedule)):
        if after > sigma:
            x, step = x + (after**2 - sigma**2).sqrt() * noise(x), samplers.begin(sampler)
        else:
            x = step(PRIOR, x, sigma, after, noise)
    assert torch.equal(answer, x)


def test_leaving_early_stops_the_work():
    prior = Counting(decaying(6))
    steps = run([4.0, 3.0, 2.0, 1.0, 0.0], prior)
    assert prior.calls == 0
    assert len(list(islice(steps, 2))) == 2
    assert prior.calls == 2
    steps.close()
    assert list(steps) == []
    assert prior.calls == 2


def test_earlier_answers_are_not_written_over():
    seen, copies = [], []
    for x in run([4.0, 1.0, 2.0, 0.5, 0.0]):
        seen.append(x)
        copies.append(x.clone())
    assert all(torch.equal(x, copy) for x, copy in zip(seen, copies, strict=True))


def test_a_float64_measurement_gives_a_float64_answer():
    problem = Problem(torch.zeros(SHAPE, dtype=torch.float64), Identity(), 0.1, SHAPE)
    for x in reverse(problem, PRIOR, Unguided(), samplers.ddim(), torch.tensor([4.0, 1.0, 0.0]), Noise([0, 1])):
        assert x.dtype == torch.float64
