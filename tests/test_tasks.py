"""The four built-in tasks: what of the picture may change, and by how much."""

from __future__ import annotations

import logging

import cv2
import numpy as np
import pytest
import torch
from photographs import Counting, Shrinking, cheap, crop, noisy, photo, scratches
from PIL import Image

from restore import images
from restore.errors import PictureError, UsageError
from restore.operators import Downsample, Gray

LUMA = np.array([0.299, 0.587, 0.114])


def picture(channels=3, dtype=np.uint8, height=20, width=28):
    top = np.iinfo(dtype).max
    return np.random.default_rng(1).integers(0, top, (height, width, channels), dtype, endpoint=True)


def hole(height=20, width=28):
    mask = np.zeros((height, width), bool)
    mask[6:12, 9:20] = True
    return mask


def tensor(samples):
    """(1, C, H, W) double, in the samples' own unit."""
    return torch.from_numpy(samples.astype(np.float64)).permute(2, 0, 1)[None]


# Inpaint


def as_file(path, mask):
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)
    return path


MASKS = {
    "path": lambda mask, folder: as_file(folder / "m.png", mask),
    "text": lambda mask, folder: str(as_file(folder / "m.png", mask)),
    "one bit PIL": lambda mask, folder: Image.fromarray(mask),
    "gray PIL": lambda mask, folder: Image.fromarray(mask.astype(np.uint8) * 255),
    "colour PIL": lambda mask, folder: Image.fromarray(mask.astype(np.uint8) * 255).convert("RGB"),
    "strokes on a transparent layer": lambda mask, folder: Image.fromarray(
        np.dstack([np.full((*mask.shape, 3), 255, np.uint8), mask.astype(np.uint8) * 255])
    ),
    "bool array": lambda mask, folder: mask,
    "uint8 array": lambda mask, folder: mask.astype(np.uint8) * 255,
    "uint16 array": lambda mask, folder: mask.astype(np.uint16) * 65535,
    "float array": lambda mask, folder: mask.astype(np.float32),
    "bool tensor": lambda mask, folder: torch.from_numpy(mask)[None],
    "float tensor": lambda mask, folder: torch.from_numpy(mask)[None, None].float(),
    "nearly white": lambda mask, folder: np.where(mask, 200, 90).astype(np.uint8),
}


@pytest.mark.parametrize("make", MASKS.values(), ids=MASKS)
def test_every_kind_of_mask_fills_the_same_pixels(tmp_path, make):
    wanted = cheap()("inpaint", picture(), mask=hole(), steps=3).image
    found = cheap()("inpaint", picture(), mask=make(hole(), tmp_path), steps=3).image
    assert np.array_equal(found, wanted)
    assert np.array_equal(found[~hole()], picture()[~hole()])
    assert (found[hole()] != picture()[hole()]).any(axis=1).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pixels_outside_the_mask_are_the_inputs_bit_for_bit(channels, dtype):
    given = picture(channels, dtype)
    if channels in (2, 4):
        given[:3, :, -1] = 0  # Colour under full transparency, too.
    found = cheap()("inpaint", given, mask=hole(), guidance="ddnm", steps=3).image
    assert found.dtype == dtype
    assert np.array_equal(found[~hole()], given[~hole()])
    colours = slice(0, 1 if channels < 3 else 3)
    assert (found[hole()][:, colours] != given[hole()][:, colours]).any(axis=1).mean() > 0.95
    if channels in (2, 4):
        assert np.array_equal(found[..., -1], given[..., -1])


def test_a_palette_picture_keeps_its_palette_and_its_known_pixels():
    colours = Image.fromarray(crop("coffee", 100, 100, 48)).quantize(16)
    mask = hole(48, 48)
    result = cheap()("inpaint", colours, mask=mask, steps=3)
    assert result.picture.kind == "palette"
    before, after = np.asarray(colours.convert("RGB")), np.asarray(result.image.convert("RGB"))
    assert np.array_equal(after[~mask], before[~mask])
    assert not np.array_equal(after[mask], before[mask])


def test_a_black_mask_is_refused_and_asks_the_prior_nothing():
    counting = Counting(Shrinking())
    for words in ({}, {"sigma": 10}):
        with pytest.raises(PictureError, match=r"the mask marks nothing: every pixel is 0 \(of 255\); white is filled"):
            cheap(counting)("inpaint", picture(), mask=np.zeros((20, 28), bool), **words)
    assert counting.calls == 0


def test_a_white_mask_is_allowed_and_said_aloud(caplog):
    with caplog.at_level(logging.INFO, logger="restore"):
        found = cheap()("inpaint", picture(), mask=np.ones((20, 28), bool), guidance="ddnm", steps=3)
    assert "mask fills 100.0 % of the picture" in caplog.text
    assert "the mask fills the whole picture: everything will be invented" in caplog.text
    assert [record.levelname for record in caplog.records if "invented" in record.message] == ["WARNING"]
    assert found.samples.std() > 0.05
    other = cheap()("inpaint", picture() // 2, mask=np.ones((20, 28), bool), guidance="ddnm", steps=3)
    assert torch.equal(found.samples, other.samples)  # Nothing of the picture is left.


def test_transparent_pixels_are_filled_and_revealed():
    given = picture(4)
    given[..., 3] = 255
    given[..., 3][hole()] = 0
    given[0, :, 3] = 90
    found = cheap()("inpaint", given, mask_from="alpha", steps=3).image
    assert np.array_equal(found[~hole()], given[~hole()])
    assert (found[..., 3][hole()] == 255).all()
    # What lay hidden beneath has no say.
    hidden = given.copy()
    hidden[..., :3][hole()] = 7
    assert np.array_equal(cheap()("inpaint", hidden, mask_from="alpha", steps=3).image, found)
    with pytest.raises(PictureError, match="no transparency"):
        cheap()("inpaint", picture(), mask_from="alpha")


def test_noisy_known_pixels_are_denoised_not_pasted_back():
    given = noisy(np.full((20, 28, 3), 230, np.uint8), 20)
    found = cheap()("inpaint", given, mask=hole(), sigma=20, steps=8)
    kept = found.image[~hole()].astype(float)
    assert np.abs(kept - given[~hole()]).mean() > 1
    assert found.record["sigma_y"] == pytest.approx(20 / 127.5)
    exact = cheap()("inpaint", given, mask=hole(), steps=8)
    assert np.array_equal(exact.image[~hole()], given[~hole()])


def test_the_photo_prior_denoises_known_pixels_while_it_fills():
    clean, mask = crop("chelsea", 128, 128, 96), scratches("chelsea", 128, 128, 96)
    given = noisy(clean, 20)
    given[mask] = 255
    found = photo()("inpaint", given, mask=mask, sigma=20, steps=12).image.astype(float)
    for where in (mask, ~mask):
        assert np.sqrt(((found - clean)[where] ** 2).mean()) < 15


def test_the_mask_may_be_inverted_grown_and_stretched():
    def filled(**options):
        found = cheap()("inpaint", picture(), steps=2, **options).image
        return (found != picture()).any(axis=2)

    assert np.array_equal(filled(mask=~hole(), invert_mask=True), hole())
    grown = cv2.dilate(hole().astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))) > 0
    assert filled(mask=hole(), mask_grow=2)[grown & hole()].all()
    assert (filled(mask=hole(), mask_grow=2) & ~hole()).sum() > 2 * (6 + 11)
    small = hole()[::2, ::2]
    with pytest.raises(PictureError, match=r"the mask is 14x10 \(width x height\), the picture 28x20"):
        filled(mask=small)
    assert np.array_equal(filled(mask=small, resize_mask=True), small.repeat(2, axis=0).repeat(2, axis=1))


def test_no_mask_says_where_one_may_come_from():
    with pytest.raises(UsageError, match=r"mask=FILE \(white is filled\), or mask_from='alpha'"):
        cheap()("inpaint", picture())


# Super-resolution


@pytest.mark.parametrize("reduced_by", ["bicubic", "box"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_reducing_the_answer_gives_the_input_back(scale, reduced_by):
    small = crop("chelsea", 100, 200, 40)
    result = photo()("super-resolution", small, scale=scale, reduced_by=reduced_by, sigma=0, steps=4)
    assert result.image.shape == (40 * scale, 40 * scale, 3)
    reduce = Downsample((40 * scale, 40 * scale), scale, reduced_by)
    before_rounding = (reduce(result.samples.double()) + 1) * 127.5
    assert (before_rounding - tensor(small)).abs().max() < 0.5
    # Rounding to 8 bits adds a third of a grey level at most.
    assert (reduce(tensor(result.image)) - tensor(small)).abs().mean() < 0.35
    assert result.consistency < 0.5


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_a_larger_picture_has_the_mean_colour_of_the_small_one(name):
    small = crop(name, 128, 128, 64)
    for scale in (2, 4):
        large = photo()("super-resolution", small, scale=scale, sigma=0, steps=3).image
        assert np.abs(large.mean(axis=(0, 1)) - small.mean(axis=(0, 1))).max() < 0.1


def test_enlarging_without_noise_starts_higher_and_is_relaxed():
    small = crop("chelsea", 128, 128, 16)
    by_default, by_name = (
        photo()("super-resolution", small, scale=4, sigma=0, reduced_by="bicubic", steps=3, guidance=guidance).image
        for guidance in (None, "pnp:sigma_start=0.8,sigma_end=0.02,relaxation=1.7,pace=0.19,most=10")
    )
    assert np.array_equal(by_default, by_name)


def test_alpha_grows_with_the_picture_and_16_bits_stay():
    given = picture(4, np.uint16)
    given[..., 3] = 65535
    given[:, 14:, 3] = 0
    found = cheap()("super-resolution", given, scale=3, steps=2).image
    assert (found.shape, found.dtype) == ((60, 84, 4), np.uint16)
    assert (found[:, :36, 3] == 65535).all()
    assert (found[:, 48:, 3] == 0).all()


@pytest.mark.parametrize("scale", [1, 17, 0.5, "much"])
def test_scales_out_of_range_are_refused(scale):
    with pytest.raises(UsageError, match="scale"):
        cheap()("super-resolution", picture(), scale=scale)


# Denoise


@pytest.mark.bfloat16
@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_the_mean_colour_of_a_denoised_picture_does_not_shift(name):
    # Away from black and white, where clipping would shift the noisy picture itself.
    given = noisy(64 + crop(name, 128, 128).astype(np.float64) / 2, 20)
    found = photo(None)("denoise", given, sigma=20).image
    # From what was given: noise has a mean of its own, 0.16 over so few pixels, that no prior can know of.
    assert np.abs(found.mean(axis=(0, 1)) - given.mean(axis=(0, 1))).max() < 0.15


@pytest.mark.bfloat16
def test_flat_areas_come_out_flat():
    colour = np.array([120, 90, 60.0])
    given = noisy(np.broadcast_to(colour, (96, 96, 3)), 15)
    found = photo(None)("denoise", given, sigma=15).image.astype(float)
    assert found.std(axis=(0, 1)).max() < 3.5
    assert np.abs(found.mean(axis=(0, 1)) - colour).max() < 0.6


def test_the_noise_is_estimated_unless_given(caplog):
    given = noisy(crop("chelsea", 64, 64), 25)
    with caplog.at_level(logging.INFO, logger="restore"):
        estimated = cheap()("denoise", given)
    assert estimated.record["sigma_y"] * 127.5 == pytest.approx(25, rel=0.1)
    assert f"noise estimated at {estimated.record['sigma_y'] * 127.5:.1f} grey levels" in caplog.text
    told = cheap()("denoise", given, sigma=10)
    assert told.record["sigma_y"] == pytest.approx(10 / 127.5)
    # The posterior mean of white pictures under that noise, which clipped samples are not left with.
    pixels = images.as_picture(given).pixels
    inside = pixels.abs() < 1
    torch.testing.assert_close(told.mean[inside], pixels[inside] / (1 + (10 / 127.5) ** 2))
    assert told.answer == "estimate"


def test_without_noise_nothing_is_changed():
    assert np.array_equal(cheap()("denoise", picture(3, np.uint16), sigma=0).image, picture(3, np.uint16))
    for sigma in (-1, 256):
        with pytest.raises(UsageError, match="sigma"):
            cheap()("denoise", picture(), sigma=sigma)


# Colorize


def strokes(height=64, width=64):
    layer = np.zeros((height, width, 4), np.uint8)
    layer[10:20, 8:30] = (200, 60, 50, 255)
    layer[40:50, 30:60] = (50, 70, 190, 255)
    layer[30:34, 10:50] = (255, 255, 0, 60)  # Too faint to be meant.
    return layer


@pytest.mark.parametrize("kind", ["gray", "colour"])
def test_luma_stays_and_hints_are_met(kind):
    colour = crop("chelsea", 100, 100, 64)
    gray = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY) // 2 + 64  # Room for chroma.
    given = gray if kind == "gray" else np.dstack([gray] * 3)
    result = photo()("colorize", given, hints=strokes(), steps=4)
    assert result.image.shape == (64, 64, 3)
    luma = (Gray()(result.samples.double())[0, 0].numpy() + 1) * 127.5
    assert np.abs(luma - gray).max() < 1e-3
    written = result.image @ LUMA
    inside = (result.image > 0).all(axis=2) & (result.image < 255).all(axis=2)
    assert np.abs(written - gray)[inside].max() <= 0.5 + 1e-6
    chroma = result.samples[0].permute(1, 2, 0).numpy() * 127.5 + 127.5 - gray[..., None]
    for rows, columns, painted in (
        (slice(10, 20), slice(8, 30), (200, 60, 50)),
        (slice(40, 50), slice(30, 60), (50, 70, 190)),
    ):
        wanted = np.array(painted) - np.array(painted) @ LUMA
        assert np.abs(chroma[rows, columns] - wanted).max() < 1e-2


def test_hints_colour_what_lies_around_them():
    gray = np.full((64, 64), 120, np.uint8)
    layer = np.zeros((64, 64, 4), np.uint8)
    layer[24:40, 24:40] = (200, 60, 50, 255)
    found = photo()("colorize", gray, hints=layer, steps=4).image.astype(float)
    assert (found[20, 32] @ [1, -0.5, -0.5]) > 20
    bare = photo()("colorize", gray, steps=4).image.astype(float)
    assert np.abs(bare - bare.mean(axis=2, keepdims=True)).mean() < 4


def test_hints_that_cannot_be_used_are_refused():
    gray = picture(1)[..., 0]
    with pytest.raises(PictureError, match="hints are 64x32 pixels but the picture is 28x20; give hints of the same size"):
        cheap()("colorize", gray, hints=strokes(32, 64))
    with pytest.raises(PictureError, match="hints have no transparency; paint colour on a transparent layer"):
        cheap()("colorize", gray, hints=picture(3))


def test_a_coloured_picture_keeps_depth_and_alpha():
    given = picture(2, np.uint16)
    found = cheap()("colorize", given, steps=2).image
    assert (found.shape, found.dtype) == ((20, 28, 4), np.uint16)
    assert np.array_equal(found[..., 3], given[..., 1])


# Gray

TASKS = {
    "inpaint": {"mask": hole(48, 48), "steps": 4},
    "super-resolution": {"scale": 2, "steps": 3},
    "denoise": {"sigma": 15},
}


@pytest.mark.parametrize("task", TASKS)
def test_gray_pictures_stay_gray(task):
    gray = cv2.cvtColor(crop("chelsea", 100, 100, 48), cv2.COLOR_RGB2GRAY)
    found = photo()(task, gray, **TASKS[task])
    assert found.image.ndim == 2
    assert found.samples.shape[1] == 1
    assert found.picture.kind == "gray"


@pytest.mark.parametrize("task", TASKS)
def test_neutral_pictures_in_colour_get_no_tint(task):
    gray = cv2.cvtColor(crop("chelsea", 100, 100, 48), cv2.COLOR_RGB2GRAY)
    found = photo()(task, np.dstack([gray] * 3), **TASKS[task]).image.astype(float)
    chroma = found - found.mean(axis=2, keepdims=True)
    assert np.abs(chroma).mean() < 1
    assert np.abs(chroma).max() < 8
    assert np.abs(chroma.mean(axis=(0, 1))).max() < 0.3


def test_coloured_noise_on_a_neutral_ramp_leaves_no_tint():
    ramp = np.broadcast_to(np.linspace(60, 200, 128)[None, :, None], (128, 128, 3))
    given = noisy(ramp, 25)
    found = photo()("denoise", given, sigma=25).image.astype(float)
    chroma = found - found.mean(axis=2, keepdims=True)
    assert np.abs(chroma.mean(axis=(0, 1))).max() < 0.5
    assert np.abs(chroma).mean() < 0.2 * np.abs(given - given.mean(axis=2, keepdims=True)).mean()
