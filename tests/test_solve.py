"""One sample of one problem: what goes through the network, and that windows change nothing."""

from dataclasses import replace

import pytest
import torch
from photographs import Blurring, Counting, Shrinking, crop

from restore.errors import OutOfMemoryError
from restore.guidance import DDNM, Denoising, PnP
from restore.images import as_picture
from restore.operators import Downsample, Identity, Mask
from restore.priors import Prior
from restore.problem import Problem
from restore.tiling.solve import Plan, plan, solve

CPU = torch.device("cpu")


def inpainting(height, width, holes, sigma_y=0.0):
    """A smooth random picture with rectangles (top, bottom, left, right) lost."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, height // 16 + 2, width // 16 + 2, generator=generator) * 1.6 - 0.8
    picture = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")
    keep = torch.ones(1, 1, height, width, dtype=torch.bool)
    for top, bottom, left, right in holes:
        keep[..., top:bottom, left:right] = False
    return Problem(y=picture * keep, operator=Mask(keep), sigma_y=sigma_y, shape=tuple(picture.shape))


def answer(problem, prior, method, planned, seed=0, name="x"):
    *_, last = solve(problem, prior, method, method.sampler(), planned, seed=seed, names=[name], device=CPU)
    return last.done


def test_a_scratch_on_a_large_picture_costs_its_neighbourhood():
    problem = inpainting(1200, 1600, [(700, 703, 400, 440)])
    prior = Counting(Shrinking())
    planned = plan(problem, prior, PnP(), steps=6, largest=1024)
    assert planned.boxes == ((640, 736, 352, 480),)
    done = answer(problem, prior, PnP(), planned)
    assert (prior.calls, planned.steps) == (6, 6)
    assert prior.pixels == 6 * 96 * 128
    assert prior.pixels < 0.01 * 6 * 1200 * 1600
    keep = problem.operator.keep.expand_as(done)
    assert torch.equal(done[keep], problem.y[keep])
    assert done[~keep].abs().min() > 0


def test_a_long_thin_scratch_is_followed_by_small_windows():
    problem = inpainting(512, 512, [(8 * k, 8 * k + 8, 8 * k, 8 * k + 4) for k in range(64)])
    prior = Counting(Shrinking())
    planned = plan(problem, prior, PnP(), steps=1, largest=256)
    assert planned.boxes == ((0, 512, 0, 512),)
    answer(problem, prior, PnP(), planned)
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
    planned = plan(problem, Shrinking(), DDNM(), steps=3, largest=1024)
    assert (planned.boxes, planned.windows, planned.steps) == (((0, 160, 0, 200),), (None,), 3)


def test_nothing_lost_needs_no_network_and_gives_the_measurement():
    problem = inpainting(60, 50, [])
    prior = Counting(Shrinking())
    planned = plan(problem, prior, PnP(), steps=6, largest=1024)
    assert (planned.boxes, planned.steps) == ((), 0)
    assert torch.equal(answer(problem, prior, PnP(), planned), problem.y)
    assert prior.calls == 0


def test_boxes_give_what_the_whole_picture_gives():
    # Three holes in two boxes; the prior looks one pixel far, and known pixels are put right in every step.
    problem = inpainting(400, 500, [(60, 70, 60, 70), (76, 80, 90, 99), (330, 333, 380, 420)])
    prior = Blurring()
    planned = plan(problem, prior, PnP(), steps=8, largest=1024)
    assert len(planned.boxes) == 2
    whole = Plan(((0, 400, 0, 500),), (None,), planned.schedule)
    problem = replace(problem, start=problem.operator.initial_estimate(problem.y))
    cut, uncut = answer(problem, prior, PnP(), planned), answer(problem, prior, PnP(), whole)
    torch.testing.assert_close(cut, uncut, atol=1e-5, rtol=0)
    assert (uncut - problem.y).abs().max() > 0.1


@pytest.mark.parametrize("largest", [64, 100, 160, 1024])
def test_tiles_of_a_pointwise_prior_give_what_the_whole_gives(largest):
    problem = inpainting(300, 260, [(20, 240, 30, 200)])
    prior = Counting(Shrinking())
    whole = Plan(((0, 300, 0, 260),), (None,), PnP().schedule(prior, problem, 5))
    planned = plan(problem, prior, PnP(), steps=5, largest=largest)
    problem = replace(problem, start=problem.operator.initial_estimate(problem.y))
    cut, uncut = answer(problem, prior, PnP(), planned), answer(problem, Shrinking(), PnP(), whole)
    torch.testing.assert_close(cut, uncut, atol=1e-5, rtol=0)
    assert prior.largest <= largest
    assert len(planned.boxes) == 1


@pytest.mark.parametrize("largest", [128, 200])
def test_tiles_of_a_local_prior_leave_no_seam(largest):
    pixels = as_picture(crop("chelsea", 20, 20, 256)).pixels
    noise = 0.2 * torch.randn(pixels.shape, generator=torch.Generator().manual_seed(0))
    problem = Problem(y=pixels + noise, operator=Identity(), sigma_y=0.2, shape=tuple(pixels.shape))
    planned = plan(problem, Blurring(), Denoising(), steps=1, largest=largest)
    whole = plan(problem, Blurring(), Denoising(), steps=1, largest=1024)
    assert planned.windows != whole.windows == (None,)
    cut, uncut = (answer(problem, Blurring(), Denoising(), one) for one in (planned, whole))
    difference = (cut - uncut).abs()
    # Window edges see padding instead of neighbours, and weigh nothing.
    assert difference.max() < 2e-6


def test_one_event_a_transition_and_the_picture_at_the_end():
    problem = inpainting(300, 300, [(40, 44, 40, 44), (250, 253, 250, 253)])
    planned = plan(problem, Shrinking(), PnP(), steps=4, largest=1024)
    events = list(solve(problem, Shrinking(), PnP(), PnP().sampler(), planned, seed=0, names=["x"], device=CPU))
    assert [event.step for event in events] == [1, 2, 3, 4, 5, 6, 7, 8, 8]
    assert [event.done is None for event in events] == [True] * 8 + [False]
    assert events[-1].done.shape == problem.shape


def test_noise_is_drawn_from_seed_and_name_and_anew_for_each_box():
    # Two holes alike in pictures alike: only their noise tells them apart.
    keep = torch.ones(1, 1, 320, 96, dtype=torch.bool)
    keep[..., 44:50, 44:50] = keep[..., 268:274, 44:50] = False
    problem = Problem(y=torch.zeros(1, 3, 320, 96), operator=Mask(keep), sigma_y=0.0, shape=(1, 3, 320, 96))
    planned = plan(problem, Shrinking(), DDNM(), steps=5, largest=1024)
    assert len(planned.boxes) == 2
    found = answer(problem, Shrinking(), DDNM(), planned)
    first, second = found[..., 44:50, 44:50], found[..., 268:274, 44:50]
    assert first.std() > 0.1
    assert not torch.allclose(first, second, atol=0.1)
    assert torch.equal(found, answer(problem, Shrinking(), DDNM(), planned))
    for other in (
        answer(problem, Shrinking(), DDNM(), planned, seed=1),
        answer(problem, Shrinking(), DDNM(), planned, name="y"),
    ):
        assert not torch.allclose(found, other, atol=0.1)


@pytest.mark.parametrize("raised", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_lack_of_memory_says_what_did_not_fit_and_what_to_do(raised):
    class Greedy(Prior):
        def denoise(self, x, sigma):
            raise raised

    problem = inpainting(300, 300, [(100, 104, 100, 104)])
    planned = plan(problem, Greedy(), PnP(), steps=2, largest=1024)
    with pytest.raises(OutOfMemoryError, match=r"window of \d\dx\d\d pixels, the smallest there is; free"):
        answer(problem, Greedy(), PnP(), planned)


def test_a_prior_trusted_only_below_a_level_is_asked_only_there_from_a_guess():
    problem = inpainting(64, 64, [(20, 40, 20, 40)])
    prior = Shrinking()
    prior.sigma_start = 0.5
    planned = plan(problem, prior, DDNM(), steps=4, largest=1024)
    assert planned.schedule[0] == 0.5
    asked = []

    class Listening(Shrinking):
        def denoise(self, x, sigma):
            asked.append((float(sigma[0]), x.clone()))
            return super().denoise(x, sigma)

    answer(problem, Listening(), DDNM(), planned)
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
    planned = plan(problem, counting, Denoising(), steps=1, largest=1024)
    answer(problem, counting, Denoising(), planned)
    assert counting.calls == 1
