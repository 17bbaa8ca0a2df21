"""Pictures from a prior alone, and pictures taken part of the way to noise."""

import json

import cv2
import numpy as np
import pytest
import torch
from gaussian import Gaussian, decaying, exact_law
from photographs import PLACE, Shrinking
from toys import files

from restore import Restorer, images
from restore.errors import PriorError, UsageError
from restore.guidance import SDEdit, Unconditional, nothing_measured
from restore.operators import Mask
from restore.planning.plan import make_plan
from restore.priors import Prior
from restore.problem import Problem
from restore.sampling import samplers, schedules
from restore.solving import generate
from restore.solving.solver import run

PRIOR = Gaussian(0.04 * decaying(6, 0.7), mean=0.2)
LEVELS = torch.linspace(0.01, 10.0, 100).double().flip(0)


def test_samples_have_the_priors_law():
    drawn = (
        generate.sample(PRIOR, 3000, (2, 3), samplers.heun(), generate.schedule_for(PRIOR, 40), batch=3000).flatten(1).double()
    )
    # Standard errors: 0.2 / sqrt(3000) = 0.004 of the mean, 0.04 sqrt(2 / 3000) = 0.001 of a variance.
    torch.testing.assert_close(drawn.mean(0), torch.full((6,), 0.2).double(), atol=0.015, rtol=0)
    torch.testing.assert_close(drawn.T.cov(), PRIOR.covariance, atol=0.005, rtol=0)


@pytest.mark.parametrize("name", sorted(samplers.SAMPLERS))
def test_a_picture_is_its_number_and_the_seed_whatever_the_batch(name):
    def draw(count, batch, seed=3):
        return generate.sample(PRIOR, count, (2, 3), samplers.named(name), generate.schedule_for(PRIOR, 12), seed, batch=batch)

    whole = draw(5, 5)
    torch.testing.assert_close(draw(5, 2), whole, atol=1e-6, rtol=0)
    torch.testing.assert_close(draw(3, 1), whole[:3], atol=1e-6, rtol=0)
    assert (draw(5, 5, seed=4) - whole).abs().amax(dim=(1, 2, 3)).min() > 0.01
    assert (whole[1:] - whole[:-1]).abs().amax(dim=(1, 2, 3)).min() > 0.01


def test_answers_lie_in_the_range_of_pictures():
    drawn = generate.sample(Shrinking(), 4, (8, 8))
    assert drawn.shape == (4, 3, 8, 8)
    assert (drawn.min(), drawn.max()) == (-1, 1)


def test_steps_say_where_they_are():
    schedule = torch.tensor([4.0, 1.0, 2.0, 0.5, 0.0])
    steps = list(generate.stream(PRIOR, 5, (2, 3), schedule=schedule, batch=2))
    assert [step.step for step in steps] == list(range(1, 13))
    assert [(step.first, len(step.x)) for step in steps if step.done] == [(0, 2), (2, 2), (4, 1)]
    assert [step.sigma for step in steps[:4]] == [1.0, 2.0, 0.5, 0.0]
    assert {step.steps for step in steps} == {12}


def test_paths_of_a_prior():
    discrete = Gaussian(decaying(6), levels=LEVELS)
    assert torch.equal(generate.schedule_for(PRIOR, 9), schedules.karras(80.0, 0.002, 9))
    assert torch.equal(generate.schedule_for(PRIOR, 9, "geometric"), schedules.geometric(80.0, 0.002, 9))
    assert torch.equal(generate.schedule_for(discrete, 9), schedules.ddpm(LEVELS, 9))
    assert torch.equal(generate.schedule_for(discrete, 9, "quadratic"), schedules.quadratic(LEVELS, 9))
    snapped = generate.schedule_for(discrete, 9, "karras")
    assert set(snapped.tolist()) <= {*LEVELS.float().tolist(), 0.0}
    discrete.sigma_max = 20000.0
    discrete.levels = torch.cat([torch.tensor([20000.0, 170.0, 150.0]).double(), LEVELS])
    assert generate.schedule_for(discrete, 9, "karras")[0] == 170.0
    with pytest.raises(UsageError, match=r"schedule 'ddpm' is of trained levels.*give karras or geometric"):
        generate.schedule_for(PRIOR, 9, "ddpm")
    with pytest.raises(UsageError, match="unknown schedule 'cosine'; known: karras"):
        generate.schedule_for(PRIOR, 9, "cosine")


class Broken(Prior):
    def denoise(self, x, sigma):
        return x / 0


def test_bad_words_and_broken_priors():
    with pytest.raises(UsageError, match="at least 1, got 0, 16, 8 and 8"):
        generate.sample(PRIOR, 0, (8, 8))
    with pytest.raises(PriorError, match="not finite"):
        generate.sample(Broken(), 1, (8, 8))


def test_frames_show_x_below_its_range_and_d_under_it():
    schedule = torch.tensor([8.0, 2.0, 0.5, 0.0])
    steps = list(generate.stream(PRIOR, 2, (2, 3), schedule=schedule))
    shown = generate.frames(PRIOR, steps).reshape(2, 2, 3, 1, 2, 3)  # picture, x or D, level
    first = steps[0].x
    torch.testing.assert_close(shown[:, 0, 0], (first / 17**0.5).clamp(-1, 1))
    torch.testing.assert_close(shown[:, 1, 0], PRIOR(first, 2.0).clamp(-1, 1))
    assert torch.equal(shown[:, 0, 2], steps[-1].x.clamp(-1, 1))
    assert torch.equal(shown[:, 1, 2], shown[:, 0, 2])


# The command


def test_the_command_writes_a_grid_and_a_film(place, restore):
    ran = restore("sample", "toy:fast", "-n", "5", "--size", "6x9", "--steps", "20", "-o", "g.png", "--trajectory", "f.png")
    assert (ran.code, ran.out) == (0, "g.png\n")
    assert cv2.imread("g.png").shape == (3 * 6 + 2 * 4, 2 * 9 + 4, 3)
    assert cv2.imread("f.png").shape == (8 * 6 + 7 * 4, 11 * 9 + 10 * 4, 3)
    again = restore("sample", "toy:fast", "-n", "5", "--size", "6x9", "--steps", "20", "-o", "h.png", "--batch", "2", "--json")
    told = json.loads(again.out)
    assert (told["output"], told["size"], told["steps"], told["pictures"]) == ("h.png", [6, 9], 20, 5)
    assert np.abs(cv2.imread("g.png").astype(int) - cv2.imread("h.png")).max() <= 1


def test_a_gray_prior_gives_a_gray_file(place, restore, monkeypatch):
    from restore import pretrained

    monkeypatch.setattr(pretrained, "prior", lambda name, **rest: Shrinking(channels=1))
    assert restore("sample", "any", "-n", "1", "--size", "8", "--steps", "2").code == 0
    assert images.read(place / "samples.png").kind == "gray"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("-o img.png", 1, "img.png: exists already"),
        ("-o out.pcx", 1, "'.pcx' names no known format"),
        ("-o no/out.png", 1, "the folder no does not exist"),
        ("--sampler heunn", 2, "unknown sampler 'heunn'; did you mean 'heun'?"),
        ("--sampler heun:churn=x", 2, "sampler heun: 'churn=x' is not key=number"),
        ("--schedule ddpm", 2, "give karras or geometric"),
        ("--size 8x", 2, "'8x' is no size; give HxW in pixels"),
        ("--steps 0", 2, "invalid value for '--steps'"),
    ],
)
def test_bad_words_leave_no_file(place, restore, words, code, said):
    before = files(place)
    ran = restore("sample", "toy:fast", "--steps", "2", "--size", "8", "-n", "1", *words.split())
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert files(place) == before


def test_a_missing_prior_is_exit_code_3(place, restore):
    ran = restore("sample", "phto")
    assert ran.code == 3
    assert "did you mean 'photo'?" in ran.err


@pytest.mark.parametrize(
    ("config", "size"),
    [
        ({"config.json": {"size": 28}}, (28, 28)),
        ({"unet/config.json": {"sample_size": 32}}, (32, 32)),
        ({"config.json": {"sample_size": [16, 8]}}, (64, 64)),
        ({}, (64, 64)),
    ],
)
def test_the_size_a_folder_says(tmp_path, config, size):
    from restore.cli.sample import own_size

    for name, content in config.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
    assert own_size(str(tmp_path)) == own_size(f"folder:{tmp_path}") == size


# SDEdit


@pytest.mark.parametrize("strength", [0.2, 0.6])
def test_sdedit_is_the_posterior_of_a_noisy_copy(strength):
    # Walked exactly, x0 ~ p(x0 | x + s z) with z fresh: mean D(x, s), covariance G s^2 G + C (1 - G), G = C / (C + s^2).
    start = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(1, 1, 1, 6)
    guidance = SDEdit(strength)
    problem = nothing_measured((1, 1, 1, 6), start=start)
    schedule = guidance.schedule(PRIOR, problem, 600).double()
    s = schedule[0]
    law = exact_law(problem, PRIOR, guidance, guidance.sampler(), schedule)
    gain = PRIOR.values / (PRIOR.values + s**2)
    wanted = PRIOR.basis * (gain**2 * s**2 + PRIOR.values * (1 - gain)) @ PRIOR.basis.T
    torch.testing.assert_close(law.mean, PRIOR(start, s).flatten(), atol=1e-9, rtol=0)
    torch.testing.assert_close(law.covariance, wanted, atol=0.02 * float(wanted.diagonal().max()), rtol=0)


def test_strength_is_a_share_of_the_levels():
    problem = nothing_measured((1, 1, 2, 3))
    low, high = SDEdit(1e-6).schedule(PRIOR, problem, 5), SDEdit(1.0).schedule(PRIOR, problem, 5)
    assert (float(low[0]), float(high[0])) == (pytest.approx(0.002, rel=1e-3), pytest.approx(80.0))
    assert SDEdit(0.4).schedule(PRIOR, problem, 5)[0] == pytest.approx((0.6 * 0.002 ** (1 / 7) + 0.4 * 80 ** (1 / 7)) ** 7)
    discrete = Gaussian(decaying(6), levels=LEVELS)
    assert SDEdit(0.4).schedule(discrete, problem, 5)[0] == LEVELS[60].float()
    assert SDEdit(1e-6).schedule(discrete, problem, 5).tolist() == [LEVELS[-1].float(), 0]
    trusted = Gaussian(decaying(6))
    trusted.sigma_start = 2.0
    assert SDEdit(1.0).schedule(trusted, problem, 5)[0] == pytest.approx(2.0)


def test_edit_keeps_what_is_not_colour():
    given = np.random.default_rng(0).integers(0, 2**16, (9, 12, 4), np.uint16)
    result = Restorer(Shrinking(), placement=PLACE)("edit", given, strength=0.3, steps=4)
    assert (result.image.dtype, result.answer) == (np.uint16, "sample")
    assert np.array_equal(result.image[..., 3], given[..., 3])
    assert not np.array_equal(result.image[..., :3], given[..., :3])


def test_edit_changes_more_the_stronger_it_is():
    given = np.full((16, 16, 3), 0.75, np.float32)
    restorer = Restorer(Shrinking(), placement=PLACE)
    changes = [np.abs(restorer("edit", given, strength=s, steps=8).image - given).mean() for s in (0.05, 0.2, 0.5)]
    assert changes[0] < 0.02 < changes[1] < changes[2]


def test_a_start_is_cut_with_its_window():
    keep = torch.ones(1, 1, 64, 512, dtype=torch.bool)
    keep[..., 20:30, 400:410] = False
    generator = torch.Generator().manual_seed(0)
    start = torch.rand(1, 3, 64, 512, generator=generator) - 0.5
    problem = Problem(start * keep, Mask(keep), 0.0, (1, 3, 64, 512), start)
    method = SDEdit(0.05)
    plan = make_plan(problem, Shrinking(), method, steps=2)
    assert len(plan.boxes) == 1
    assert plan.boxes[0][3] - plan.boxes[0][2] < 512
    *_, last = run([plan], 0.0, 0)
    assert (last.result.samples - start)[~keep.expand_as(start)].abs().max() < 0.1


def test_unconditional_does_not_look_at_y():
    problem = Problem(torch.ones(1, 1, 2, 3), Mask(torch.ones(1, 1, 2, 3, dtype=torch.bool)), 0.0, (1, 1, 2, 3))
    x, sigma = torch.randn(1, 1, 2, 3, generator=torch.Generator().manual_seed(0)), torch.tensor(0.5)
    assert torch.equal(Unconditional().estimate(problem, PRIOR, x, sigma), PRIOR(x, sigma))


def test_the_command_names_every_path_and_kernel(place, restore):
    said = "".join(restore("sample", "--help").out.split())
    assert f"[{'|'.join(generate.SCHEDULES)}]" in said
    assert ",".join(samplers.SAMPLERS) in said
