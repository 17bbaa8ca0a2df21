"""A problem solved: what goes through the network, that windows change nothing, and what the public door answers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from photographs import Blurring, Counting, Shrinking, cheap, crop

import restore
from restore.errors import OperatorError, OutOfMemoryError, UsageError
from restore.guidance import DDNM, Denoising, PnP
from restore.images import as_picture
from restore.operators import Blur, Downsample, Identity, Linear, Mask
from restore.planning.plan import make_plan
from restore.priors import Prior
from restore.problem import Problem
from restore.solving.solver import run, solve


def inpainting(height, width, holes, sigma_y=0.0):
    """A smooth random picture with rectangles (top, bottom, left, right) lost."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, height // 16 + 2, width // 16 + 2, generator=generator) * 1.6 - 0.8
    picture = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")
    keep = torch.ones(1, 1, height, width, dtype=torch.bool)
    for top, bottom, left, right in holes:
        keep[..., top:bottom, left:right] = False
    return Problem(y=picture * keep, operator=Mask(keep), sigma_y=sigma_y, shape=tuple(picture.shape))


def planned(problem, prior, method, steps, largest=1024, name="x"):
    return make_plan(problem, prior, method, steps=steps, largest=largest, names=(name,))


def answer(plan, seed=0):
    """The one sample of a plan, before it is put into range."""
    *_, last = run([plan], 0.0, seed)
    return last.result.samples


def test_a_scratch_on_a_large_picture_costs_its_neighbourhood():
    problem = inpainting(1200, 1600, [(700, 703, 400, 440)])
    prior = Counting(Shrinking())
    plan = planned(problem, prior, PnP(), 6, 1024)
    assert plan.boxes == ((640, 736, 352, 480),)
    done = answer(plan)
    assert (prior.calls, plan.steps) == (6, 6)
    assert prior.pixels == 6 * 96 * 128
    assert prior.pixels < 0.01 * 6 * 1200 * 1600
    keep = problem.operator.keep.expand_as(done)
    assert torch.equal(done[keep], problem.y[keep])
    assert done[~keep].abs().min() > 0


def test_a_long_thin_scratch_is_followed_by_small_windows():
    problem = inpainting(512, 512, [(8 * k, 8 * k + 8, 8 * k, 8 * k + 4) for k in range(64)])
    prior = Counting(Shrinking())
    plan = planned(problem, prior, PnP(), 1, 256)
    assert plan.boxes == ((0, 512, 0, 512),)
    answer(plan)
    assert prior.largest < 256
    assert prior.pixels < 0.85 * 512**2


@pytest.mark.parametrize(
    "problem",
    [
        inpainting(160, 200, [(70, 73, 40, 44)], sigma_y=0.1),
        Problem(y=torch.zeros(1, 3, 160, 200), operator=Identity(), sigma_y=0.1, shape=(1, 3, 160, 200)),
        Problem(y=torch.zeros(1, 3, 40, 50), operator=Downsample((160, 200), 4), sigma_y=0.0, shape=(1, 3, 160, 200)),
    ],
    ids=["noisy known pixels", "denoising", "super-resolution"],
)
def test_where_every_pixel_is_open_the_whole_picture_is_worked_on(problem):
    plan = planned(problem, Shrinking(), DDNM(), 3, 1024)
    assert (plan.boxes, plan.windows, plan.steps) == (((0, 160, 0, 200),), (None,), 3)


def test_nothing_lost_needs_no_network_and_gives_the_measurement():
    problem = inpainting(60, 50, [])
    prior = Counting(Shrinking())
    plan = planned(problem, prior, PnP(), 6, 1024)
    assert (plan.boxes, plan.steps) == ((), 0)
    assert torch.equal(answer(plan), problem.y)
    assert prior.calls == 0


def test_boxes_give_what_the_whole_picture_gives():
    # Three holes in two boxes; the prior looks one pixel far, and known pixels are put right in every step.
    problem = inpainting(400, 500, [(60, 70, 60, 70), (76, 80, 90, 99), (330, 333, 380, 420)])
    prior = Blurring()
    plan = planned(problem, prior, PnP(), 8, 1024)
    assert len(plan.boxes) == 2
    problem = replace(problem, start=problem.operator.initial_estimate(problem.y))
    plan = replace(plan, problem=problem)
    whole = replace(plan, boxes=((0, 400, 0, 500),), windows=(None,))
    cut, uncut = answer(plan), answer(whole)
    torch.testing.assert_close(cut, uncut, atol=1e-5, rtol=0)
    assert (uncut - problem.y).abs().max() > 0.1


@pytest.mark.parametrize("largest", [64, 100, 160, 1024])
def test_tiles_of_a_pointwise_prior_give_what_the_whole_gives(largest):
    problem = inpainting(300, 260, [(20, 240, 30, 200)])
    prior = Counting(Shrinking())
    problem = replace(problem, start=problem.operator.initial_estimate(problem.y))
    plan = planned(problem, prior, PnP(), 5, largest)
    whole = replace(plan, prior=Shrinking(), boxes=((0, 300, 0, 260),), windows=(None,))
    cut, uncut = answer(plan), answer(whole)
    torch.testing.assert_close(cut, uncut, atol=1e-5, rtol=0)
    assert prior.largest <= largest
    assert len(plan.boxes) == 1


@pytest.mark.parametrize("largest", [128, 200])
def test_tiles_of_a_local_prior_leave_no_seam(largest):
    pixels = as_picture(crop("chelsea", 20, 20, 256)).pixels
    noise = 0.2 * torch.randn(pixels.shape, generator=torch.Generator().manual_seed(0))
    problem = Problem(y=pixels + noise, operator=Identity(), sigma_y=0.2, shape=tuple(pixels.shape))
    plan = planned(problem, Blurring(), Denoising(), 1, largest)
    whole = planned(problem, Blurring(), Denoising(), 1)
    assert plan.windows != whole.windows == (None,)
    cut, uncut = answer(plan), answer(whole)
    difference = (cut - uncut).abs()
    # Window edges see padding instead of neighbours, and weigh nothing.
    assert difference.max() < 2e-6


def test_one_event_a_transition_and_the_picture_at_the_end():
    problem = inpainting(300, 300, [(40, 44, 40, 44), (250, 253, 250, 253)])
    events = list(solve(problem, Shrinking(), PnP(), steps=4))
    assert [event.step for event in events] == [1, 2, 3, 4, 5, 6, 7, 8, 8]
    assert {event.steps for event in events} == {8}
    assert [event.result is None for event in events] == [True] * 8 + [False]
    result = events[-1].result
    assert result.x.shape == problem.shape
    assert (result.answer, result.fidelity, result.picture) == ("estimate", 1.0, None)
    known = problem.operator.keep.expand_as(result.x)
    assert torch.equal(result.x[known], problem.y[known].clamp(-1, 1))
    with pytest.raises(UsageError, match=r"result of a problem, not of a picture; use result\.x"):
        result.image  # noqa: B018


def test_samples_of_a_problem_are_those_that_a_task_draws():
    picture = crop("chelsea", 0, 0, 24)
    mask = np.zeros((24, 24), bool)
    mask[6:12, 9:20] = True
    keep = torch.from_numpy(~mask)[None, None]
    pixels = as_picture(picture).pixels
    problem = Problem(y=keep * pixels, operator=Mask(keep), sigma_y=0.0, shape=tuple(pixels.shape))
    words = {"samples": 3, "steps": 4, "seed": 5, "name": "a.png", "guidance": "ddnm", "sampler": "ddim:eta=0.5"}
    *_, last = solve(problem, Shrinking(), **words)
    found = cheap()("inpaint", picture, mask=mask, **words)
    assert torch.equal(last.result.samples, found.samples)
    torch.testing.assert_close(last.result.std, found.std)


def test_a_stranger_needs_an_operator_and_a_measurement_and_no_task():
    class Half(Linear):
        """y = x / 2, told by its laws alone."""

        def __call__(self, x):
            return x / 2

        def adjoint(self, y):
            return y / 2

        def pinv(self, y):
            return 2 * y

        def prox(self, v, y, rho):
            return (y / 2 + rho * v) / (0.25 + rho)

        def solve(self, r, scale, shift):
            return r / (scale / 4 + shift)

    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) - 0.5
    problem = Problem(y=x / 2, operator=Half(), sigma_y=0.0, shape=(1, 3, 16, 16))
    *_, last = restore.solve(problem, Shrinking(), steps=3)
    torch.testing.assert_close(last.result.x, x, atol=1e-6, rtol=0)
    assert last.result.consistency == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"stepz": 3}, "unknown option 'stepz'; did you mean 'steps'"),
        ({"tile": 64}, "unknown option 'tile'"),
        ({"guidance": 5}, "guidance is a method or its name, got 5"),
        ({"fidelity": 2}, "fidelity: 2.0 is out of range; give 0 to 1"),
    ],
)
def test_wrong_keywords_are_usage_errors_before_anything_runs(words, message):
    counting = Counting(Shrinking())
    with pytest.raises(UsageError, match=message):
        solve(inpainting(32, 32, [(4, 8, 4, 8)]), counting, **words)
    assert counting.calls == 0


def test_noise_is_drawn_from_seed_and_name_and_anew_for_each_box():
    # Two holes alike in pictures alike: only their noise tells them apart.
    keep = torch.ones(1, 1, 320, 96, dtype=torch.bool)
    keep[..., 44:50, 44:50] = keep[..., 268:274, 44:50] = False
    problem = Problem(y=torch.zeros(1, 3, 320, 96), operator=Mask(keep), sigma_y=0.0, shape=(1, 3, 320, 96))
    plan = planned(problem, Shrinking(), DDNM(), 5, 1024)
    assert len(plan.boxes) == 2
    found = answer(plan)
    first, second = found[..., 44:50, 44:50], found[..., 268:274, 44:50]
    assert first.std() > 0.1
    assert not torch.allclose(first, second, atol=0.1)
    assert torch.equal(found, answer(plan))
    for other in (answer(plan, seed=1), answer(replace(plan, names=("y",)))):
        assert not torch.allclose(found, other, atol=0.1)


@pytest.mark.parametrize("raised", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_lack_of_memory_says_what_did_not_fit_and_what_to_do(raised):
    class Greedy(Prior):
        def denoise(self, x, sigma):
            raise raised

    problem = inpainting(300, 300, [(100, 104, 100, 104)])
    plan = planned(problem, Greedy(), PnP(), 2, 1024)
    with pytest.raises(OutOfMemoryError, match=r"window of \d\dx\d\d pixels, the smallest there is; free"):
        answer(plan)


def test_a_prior_trusted_only_below_a_level_is_asked_only_there_from_a_guess():
    problem = inpainting(64, 64, [(20, 40, 20, 40)])
    prior = Shrinking()
    prior.sigma_start = 0.5
    plan = planned(problem, prior, DDNM(), 4, 1024)
    assert plan.schedule[0] == 0.5
    asked = []

    class Listening(Shrinking):
        def denoise(self, x, sigma):
            asked.append((float(sigma[0]), x.clone()))
            return super().denoise(x, sigma)

    answer(replace(plan, prior=Listening()))
    assert max(sigma for sigma, _ in asked) == 0.5
    first = asked[0][1] - problem.operator.initial_estimate(problem.y)
    assert first.std() == pytest.approx(0.5, rel=0.03)  # Around the guess, not around nothing.
    assert first.mean().abs() < 0.03


@pytest.mark.parametrize("size", [(40, 41), (63, 50), (64, 64)])
def test_a_picture_that_fits_goes_through_whole_whatever_the_networks_blocks(size):
    prior = Shrinking()
    prior.multiple_of = 8
    counting = Counting(prior)
    problem = Problem(y=torch.zeros(1, 3, *size), operator=Identity(), sigma_y=0.1, shape=(1, 3, *size))
    plan = planned(problem, counting, Denoising(), 1, 1024)
    answer(plan)
    assert counting.calls == 1


@pytest.mark.parametrize(
    ("operator", "y", "message"),
    [
        (lambda x: x, (1, 3, 16, 16), "operator is a restore.operators.Operator, got a function"),
        (Downsample((16, 16), 2), (1, 3, 16, 16), r"\(1, 3, 8, 8\), but y has \(1, 3, 16, 16\)"),
        (Blur.gaussian((32, 32), 1.0), (1, 3, 32, 32), "Blur does not take pictures of shape"),
    ],
)
def test_an_operator_that_does_not_fit_the_problem_is_an_operator_error(operator, y, message):
    with pytest.raises(OperatorError, match=message):
        solve(Problem(torch.zeros(y), operator, 0.1, (1, 3, 16, 16)), Shrinking(), "dps", steps=2)
