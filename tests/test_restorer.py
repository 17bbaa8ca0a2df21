"""The Python API: what goes in, what comes out, noise, options."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gaussian import Gaussian, decaying
from photographs import Counting, Shrinking, cheap, crop
from PIL import Image

import restore
from restore import Restorer, images
from restore.errors import OperatorError, OutOfMemoryError, PictureError, PriorError, RestoreError, UsageError
from restore.guidance import DDNM, PnP
from restore.planning import boxes
from restore.sampling.samplers import ddim

SIDE = 24
MASK = np.zeros((SIDE, SIDE), bool)
MASK[8:14, 6:15] = True


def samples(channels, dtype=np.uint8, seed=0):
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, (SIDE, SIDE, channels), dtype, endpoint=True)


def inside(channels):
    """Samples of which none is at an end of the range, where `denoise` would take it for clipped."""
    return samples(channels).clip(1, 254)


def floats(channels):
    return samples(channels, np.uint16) / 65535


TENSORS = {
    "float (C, H, W)": torch.from_numpy(floats(3)).permute(2, 0, 1).float(),
    "float (1, C, H, W)": torch.from_numpy(floats(3)).permute(2, 0, 1)[None].float(),
    "double gray": torch.from_numpy(floats(1)).permute(2, 0, 1),
    "half with alpha": torch.from_numpy(floats(4)).permute(2, 0, 1).half(),
    "uint8": torch.from_numpy(samples(3)).permute(2, 0, 1),
}
ARRAYS = {
    "gray uint8": samples(1)[..., 0],
    "gray uint8 (H, W, 1)": samples(1),
    "gray and alpha": samples(2),
    "RGB uint8": samples(3),
    "RGBA uint16": samples(4, np.uint16),
    "RGB uint16": samples(3, np.uint16),
    "RGB float32": floats(3).astype(np.float32),
    "gray float64": floats(1)[..., 0],
}


@pytest.mark.parametrize("given", TENSORS.values(), ids=TENSORS)
def test_tensors_come_back_as_they_came_but_for_the_mask(given):
    before = given.clone()
    found = cheap()("inpaint", given, mask=MASK).image
    assert (found.shape, found.dtype, found.device) == (given.shape, given.dtype, given.device)
    assert torch.equal(given, before)
    keep = torch.from_numpy(~MASK).expand_as(given)
    tolerance = 3e-5 if given.is_floating_point() and given.shape[0] == 4 else 1e-6  # With alpha, floats go as 16 bits.
    torch.testing.assert_close(found[keep], given[keep], atol=tolerance, rtol=0)
    assert (found[~keep].double() - given[~keep].double()).abs().max() > 0.01 * given.max()


@pytest.mark.parametrize("given", ARRAYS.values(), ids=ARRAYS)
def test_arrays_come_back_as_they_came_but_for_the_mask(given):
    before = given.copy()
    found = cheap()("inpaint", given, mask=MASK).image
    assert (found.shape, found.dtype) == (given.shape, given.dtype)
    assert np.array_equal(given, before)
    if np.issubdtype(given.dtype, np.floating):
        np.testing.assert_allclose(found[~MASK], given[~MASK], atol=2e-7)
    else:
        assert np.array_equal(found[~MASK], given[~MASK])
    assert not np.array_equal(found[MASK], given[MASK])
    if given.ndim == 3 and given.shape[2] in (2, 4):
        assert np.array_equal(found[..., -1], given[..., -1])


def test_paths_and_pil_images_give_pil_images(tmp_path):
    Image.fromarray(samples(3)).save(tmp_path / "a.png")
    Image.fromarray(MASK.astype(np.uint8) * 255).save(tmp_path / "m.png")
    by_path = cheap()("inpaint", tmp_path / "a.png", mask=tmp_path / "m.png").image
    by_name = cheap()("inpaint", str(tmp_path / "a.png"), mask=str(tmp_path / "m.png")).image
    by_image = cheap()("inpaint", Image.open(tmp_path / "a.png"), mask=Image.open(tmp_path / "m.png")).image
    by_array = cheap()("inpaint", samples(3), mask=MASK).image
    for found in (by_path, by_name, by_image):
        assert isinstance(found, Image.Image)
        assert found.mode == "RGB"
        assert np.array_equal(np.asarray(found), by_array)


def test_a_picture_is_restored_as_a_picture_and_saved(tmp_path):
    given = images.as_picture(samples(3, np.uint16))
    result = cheap()("inpaint", given, mask=MASK)
    assert result.image is result.picture
    assert result.picture.depth == 16
    result.save(tmp_path / "a.png")
    assert np.array_equal(images.read(tmp_path / "a.png").samples(), result.picture.samples())
    with pytest.raises(PictureError, match="exists"):
        result.save(tmp_path / "a.png")
    result.save(tmp_path / "a.png", overwrite=True)


BAD = {
    "NaN": np.full((8, 8), np.nan),
    "infinite": torch.full((3, 8, 8), torch.inf),
    "out of range": np.full((8, 8, 3), 200.0),
    "signed": np.zeros((8, 8, 3), np.int32),
    "five channels": np.zeros((8, 8, 5), np.uint8),
    "empty": np.zeros((0, 8, 3), np.uint8),
    "a batch": torch.zeros(2, 3, 8, 8),
    "a word": 7,
}


@pytest.mark.parametrize("given", BAD.values(), ids=BAD)
def test_what_is_no_picture_is_refused(given):
    with pytest.raises(PictureError) as caught:
        cheap()("denoise", given, sigma=5)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(PictureError, match=r"gone\.png: no such file"):
        cheap()("denoise", tmp_path / "gone.png")


# Noise


def drawn(restorer, **keywords):
    return restorer("inpaint", samples(3), mask=MASK, guidance="ddnm", steps=4, **keywords).samples


def test_the_same_seed_gives_the_same_picture_and_others_do_not():
    one = drawn(cheap())
    assert torch.equal(one, drawn(cheap()))
    assert torch.equal(one, drawn(cheap(), seed=0))
    for others in ({"seed": 1}, {"seed": -1}, {"name": "b.png"}):
        assert not torch.allclose(one, drawn(cheap(), **others), atol=0.05), others


def test_one_restorer_serves_many_calls_without_memory_of_the_last():
    restorer = cheap()
    first = drawn(restorer, seed=3)
    drawn(restorer, seed=4)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    assert torch.equal(first, drawn(restorer, seed=3))
    assert torch.equal(state, torch.get_rng_state())


def test_map_gives_each_picture_noise_by_its_place():
    batch = torch.from_numpy(samples(3)).permute(2, 0, 1)[None].float().expand(3, -1, -1, -1) / 255
    keywords = {"mask": MASK, "guidance": "ddnm", "steps": 4}
    found = list(cheap().map("inpaint", batch, **keywords))
    assert [result.record["request"]["name"] for result in found] == ["0", "1", "2"]
    assert {tuple(result.image.shape) for result in found} == {(3, SIDE, SIDE)}
    assert not torch.allclose(found[0].samples, found[1].samples, atol=0.05)
    for index, result in enumerate(found):
        assert torch.equal(result.samples, cheap()("inpaint", batch[index], name=str(index), **keywords).samples)
    alike = list(cheap().map("inpaint", batch, name="same", **keywords))
    assert torch.equal(alike[0].samples, alike[2].samples)


def test_map_takes_pictures_of_all_kinds_one_at_a_time():
    counting = Counting(Shrinking())
    given = cheap(counting).map("denoise", iter([inside(3), inside(1)[..., 0]]), sigma=20)
    assert counting.calls == 0
    assert next(given).image.shape == (SIDE, SIDE, 3)
    assert counting.calls == 1
    assert next(given).image.shape == (SIDE, SIDE)


# Events


def test_an_event_a_transition_the_result_on_the_last():
    events = list(cheap().stream("inpaint", samples(3), mask=MASK, steps=5))
    assert [event.step for event in events] == [1, 2, 3, 4, 5, 5]
    assert {event.steps for event in events} == {5}
    assert [event.result is None for event in events] == [True] * 5 + [False]
    for event in events:
        assert event.preview.shape[0] == 3
        assert 0 <= event.preview.min() <= event.preview.max() <= 1
    assert events[-1].preview.shape == (3, SIDE, SIDE)


def test_events_of_several_samples_count_on(monkeypatch):
    monkeypatch.setattr(boxes, "CPU_PIXELS", 2 * SIDE**2)
    events = list(cheap().stream("inpaint", samples(3), mask=MASK, steps=2, samples=3))
    assert [event.step for event in events] == [1, 2, 3, 4, 4]
    assert {event.steps for event in events} == {4}
    assert events[-1].result.samples.shape[0] == 3


def test_a_blend_runs_both_its_ends():
    events = list(cheap().stream("inpaint", samples(3), mask=MASK, steps=5, fidelity=0.5))
    assert [event.step for event in events] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10]


@pytest.mark.parametrize("together", [1, 2, 3, 8])
def test_samples_do_not_depend_on_the_batch_they_are_drawn_in(monkeypatch, together):
    monkeypatch.setattr(boxes, "CPU_PIXELS", together * SIDE**2)
    words = {"mask": MASK, "steps": 3, "fidelity": 0}
    found = cheap()("inpaint", samples(3), samples=4, **words).samples
    for index in range(4):
        with monkeypatch.context() as alone:
            alone.setattr(boxes, "CPU_PIXELS", 1)
            single = cheap()("inpaint", samples(3), samples=index + 1, **words).samples[-1]
        assert torch.equal(found[index], single)


def test_leaving_the_loop_stops_the_work():
    counting = Counting(Shrinking())
    for event in cheap(counting).stream("inpaint", samples(3), mask=MASK, steps=50):
        if event.step == 3:
            break
    assert counting.calls == 3


# Samples


def test_samples_have_a_mean_and_a_spread():
    result = cheap()("inpaint", samples(3), mask=MASK, samples=4, steps=6)
    assert result.samples.shape == (4, 3, SIDE, SIDE)
    torch.testing.assert_close(result.mean, result.samples.mean(dim=0, keepdim=True))
    torch.testing.assert_close(result.std, result.samples.std(dim=0, keepdim=True))
    fill = torch.from_numpy(MASK)
    assert result.std[..., fill].min() > 0.01
    assert result.std[..., ~fill].max() < 1e-6  # What is known is certain, up to rounding.
    assert (result.answer, result.record["request"]["samples"], result.record["guidance"]) == ("mean", 4, "MMPS")
    torch.testing.assert_close(result.picture.pixels[..., fill], result.mean[..., fill].clamp(-1, 1))
    assert cheap()("inpaint", samples(3), mask=MASK, steps=2).std is None


def test_the_answer_may_be_the_first_sample():
    several = cheap()("inpaint", samples(3), mask=MASK, samples=3, steps=6, fidelity=0)
    assert several.answer == several.record["answer"] == "sample"
    fill = torch.from_numpy(MASK)
    assert torch.equal(several.picture.pixels[..., fill], several.samples[:1].clamp(-1, 1)[..., fill])
    one = cheap()("inpaint", samples(3), mask=MASK, guidance="mmps", steps=6)
    assert torch.equal(one.samples, several.samples[:1])
    assert one.answer == "sample"
    assert cheap()("inpaint", samples(3), mask=MASK, steps=6).answer == "estimate"


def test_samples_of_a_gaussian_prior_have_the_posterior_spread():
    prior = Gaussian(decaying(64, 0.9))
    keep = np.ones((8, 8), bool)
    keep[3:5, 2:6] = False
    covariance, kept = decaying(64, 0.9), torch.from_numpy(keep.flatten())
    conditional = covariance[~kept][:, ~kept] - covariance[~kept][:, kept] @ torch.linalg.solve(
        covariance[kept][:, kept], covariance[kept][:, ~kept]
    )
    picture = np.full((8, 8), 0.5, np.float32)
    result = cheap(prior)("inpaint", picture, mask=~keep, samples=60, guidance="pigdm", steps=40)
    found = result.std[0, 0][torch.from_numpy(~keep)].double()
    # Standard deviations of 60 draws are known to 9 %; eight pixels together to about 4 %.
    assert float((found / conditional.diagonal().sqrt()).mean()) == pytest.approx(1, abs=0.15)


# Words

WRONG = {
    "task": ({"task": "inpant"}, "unknown task 'inpant'; did you mean 'inpaint'"),
    "option": ({"maks": 1}, "did you mean 'mask'"),
    "value": ({"mask_grow": -1}, "mask_grow: -1 is out of range; give 0 or more"),
    "type": ({"mask_grow": "much"}, "mask_grow"),
    "choice": ({"mask_from": "beta"}, "mask_from: 'beta' is none of file, alpha"),
    "guidance": ({"guidance": "repiant"}, "unknown guidance 'repiant'; did you mean 'repaint'"),
    "guidance key": ({"guidance": "pnp:wieght=1"}, "guidance pnp: .*wieght"),
    "guidance number": ({"guidance": "pnp:weight=much"}, "'weight=much' is not key=number"),
    "no samples": ({"samples": 0}, "samples: 0 is out of range; give 1 to 10000"),
    "a number as method": ({"guidance": 5}, "guidance is a method or its name, got 5"),
    "a number as sampler": ({"sampler": 5}, "sampler is a function or its name, got 5"),
    "unknown sampler": ({"sampler": "huen"}, "unknown sampler 'huen'; did you mean 'heun'"),
    "another scope": ({"tile": 64}, "unknown option 'tile'"),
    "seed": ({"seed": 1.5}, "seed: 1.5 .* is not a whole number"),
    "mask": ({"mask": None}, "inpaint needs a mask"),
}


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=WRONG)
def test_wrong_words_are_usage_errors_that_help(words, message):
    counting = Counting(Shrinking())
    keywords = {"task": "inpaint", "mask": MASK, **words}
    with pytest.raises(UsageError, match=message) as caught:
        cheap(counting)(keywords.pop("task"), samples(3), **keywords)
    assert caught.value.exit_code == 2
    assert counting.calls == 0


def test_no_steps_at_all_is_refused():
    with pytest.raises(UsageError, match="steps"):
        cheap()("inpaint", samples(3), mask=MASK, steps=0)


def test_guidance_is_a_name_with_arguments_or_an_object():
    by_name = cheap()("inpaint", samples(3), mask=MASK, steps=3, guidance="pnp:sigma_start=0.3,sigma_end=2e-2")
    by_object = cheap()("inpaint", samples(3), mask=MASK, steps=3, guidance=PnP(sigma_start=0.3, sigma_end=0.02))
    default = cheap()("inpaint", samples(3), mask=MASK, steps=3)
    assert torch.equal(by_name.samples, by_object.samples)
    assert not torch.equal(by_name.samples, default.samples)
    assert by_name.record["guidance"] == "PnP"


def test_the_sampler_may_be_given():
    own, given = (cheap()("inpaint", samples(3), mask=MASK, steps=3, guidance=DDNM(), sampler=k) for k in (None, ddim(0.0)))
    assert not torch.allclose(own.samples, given.samples, atol=0.01)


def test_a_guidance_that_cannot_use_the_operator_is_refused():
    with pytest.raises(OperatorError, match="RePaint needs a Mask operator, got Downsample") as caught:
        cheap()("super-resolution", samples(3), guidance="repaint")
    assert caught.value.exit_code == 2


def test_steps_are_the_methods_own_or_those_asked_for():
    for keywords, steps in (({}, PnP.steps), ({"steps": 7}, 7), ({"guidance": "ddnm"}, DDNM.steps)):
        counting = Counting(Shrinking())
        result = cheap(counting)("inpaint", samples(3), mask=MASK, **keywords)
        assert (counting.calls, result.record["transitions"]) == (steps, steps)


# Priors


def test_a_colour_prior_restores_gray_pictures_as_gray():
    result = cheap()("denoise", inside(1)[..., 0], sigma=50)
    wanted = (images.as_picture(inside(1)).pixels / (1 + (50 / 127.5) ** 2))[0, 0]
    torch.testing.assert_close(result.mean[0, 0], wanted)


def test_a_gray_prior_refuses_colour():
    with pytest.raises(PriorError, match=r"takes pictures of 1 channel\(s\), the problem has 3") as caught:
        cheap(Shrinking(channels=1))("denoise", samples(3), sigma=5)
    assert caught.value.exit_code == 3


def test_a_prior_that_answers_nonsense_is_caught_before_it_is_written():
    class Broken(Shrinking):
        def denoise(self, x, sigma):
            return x * torch.nan

    with pytest.raises(PictureError, match="not finite"):
        cheap(Broken())("denoise", samples(3), sigma=5)


def test_lack_of_memory_is_an_error_of_its_own():
    class Greedy(Shrinking):
        def denoise(self, x, sigma):
            raise torch.OutOfMemoryError("no")

    with pytest.raises(OutOfMemoryError, match=r"for a window of \d+x\d+ pixels, the smallest there is") as caught:
        cheap(Greedy())("denoise", samples(3), sigma=5)
    assert caught.value.exit_code == 4


def test_the_answer_does_not_depend_on_the_tile():
    picture = crop("chelsea", 0, 0, 200)
    answers = [cheap(tile=tile)("denoise", picture, sigma=30).samples for tile in (None, 64, 100, 150)]
    for other in answers[1:]:
        torch.testing.assert_close(other, answers[0], atol=1e-5, rtol=0)
    counting = Counting(Shrinking())
    cheap(counting, tile=64)("denoise", picture, sigma=30)
    assert counting.largest <= 64
    with pytest.raises(UsageError, match="tile: 63 is out of range; give 64 or more"):
        cheap(tile=63)


LOADING = {
    "prior": ({"name": "foto"}, PriorError, "did you mean 'photo'"),
    "scheme": ({"name": "difusers:a/b"}, UsageError, "did you mean 'diffusers'"),
    "device": ({"device": "cuda:99"}, UsageError, "device 'cuda:99' cannot be used here"),
    "no device": ({"device": "gpu"}, UsageError, "device 'gpu'"),
    "dtype": ({"dtype": "int8"}, UsageError, "dtype: 'int8' is none of auto, float32, bfloat16, float16"),
}


@pytest.mark.parametrize(("words", "error", "message"), LOADING.values(), ids=LOADING)
def test_what_cannot_be_loaded_is_one_line(words, error, message):
    with pytest.raises(error, match=message) as caught:
        Restorer.from_pretrained(**words)
    assert "\n" not in str(caught.value)


def test_agreement_is_in_grey_levels_or_in_units_of_the_noise():
    assert cheap()("inpaint", samples(3), mask=MASK).consistency == 0
    noisy = cheap()("denoise", inside(3), sigma=25)
    shrunk = noisy.samples
    y = images.as_picture(inside(3)).pixels
    assert noisy.consistency == pytest.approx(float((y - shrunk).square().mean().sqrt() / (25 / 127.5)), rel=1e-5)


def test_a_result_remembers_how_it_was_made():
    made = cheap()("inpaint", samples(3), mask=MASK, seed=5, name="a/b.png", steps=4, mask_grow=2).record
    assert made["task"] == "inpaint"
    assert made["options"]["mask_grow"] == 2
    asked = made["request"]
    assert (asked["seed"], asked["name"], asked["steps"], asked["prior"]) == (5, "a/b.png", 4, "custom")
    assert (made["transitions"], made["sigma_y"], made["device"], asked["dtype"]) == (4, 0.0, "cpu", "float32")
    assert set(made["versions"]) >= {"python", "torch", "diffusion-restore"}


def test_public_names_are_all_there():
    for name in restore.__all__:
        assert getattr(restore, name) is not None
    assert set(restore.__all__) <= set(dir(restore))
    with pytest.raises(AttributeError, match="no attribute 'outpaint'"):
        restore.outpaint  # noqa: B018
    assert issubclass(PictureError, RestoreError)


def test_several_samples_of_a_task_with_a_point_estimate_of_its_own_differ():
    found = cheap()("denoise", samples(3), sigma=40, samples=3, steps=6)
    assert found.answer == "mean"
    assert found.std.mean() > 0.01  # The posterior mean three times over would say that nothing is uncertain.
    with pytest.raises(UsageError, match="Denoising is a point estimate and draws no samples"):
        cheap()("denoise", samples(3), sigma=40, samples=2, guidance="denoising")
