"""The task `super-resolution` on pictures as people have them: noisy, compressed, of any size, cut out."""

from __future__ import annotations

import io
import logging

import cv2
import numpy as np
import pytest
import torch
from photographs import cheap, crop, noisy, photo, psnr
from PIL import Image

from restore.blur.reduction import estimate_reduction
from restore.errors import PictureError, UsageError
from restore.guidance.pnp import ENLARGING, PnP
from restore.guidance.two_scales import TwoScales
from restore.images.alpha import enlarge_alpha, resize_alpha
from restore.operators import Downsample
from restore.planning.defaults import default_estimate
from restore.problem import Problem
from restore_plugins.super_resolution import SuperResolution, SuperResolutionOptions


def reduced(name, scale, side=96, kernel="bicubic", sigma=0.0):
    """(a small picture, the truth)."""
    truth = crop(name, 100, 100, side)
    pixels = torch.from_numpy(truth.astype(np.float64)).permute(2, 0, 1)[None]
    small = Downsample((side, side), scale, kernel)(pixels)[0].permute(1, 2, 0).numpy()
    return noisy(small, sigma), truth


def larger(small, truth):
    return cv2.resize(small, truth.shape[1::-1], interpolation=cv2.INTER_LANCZOS4)


# Noise


def test_noise_is_measured_and_taken_out(caplog):
    small, truth = reduced("astronaut", 2, 128, sigma=6)
    with caplog.at_level(logging.INFO, logger="restore"):
        found = photo()("super-resolution", small, scale=2, reduced_by="bicubic")
    assert found.record["sigma_y"] * 127.5 == pytest.approx(6, rel=0.35)
    assert found.record["guidance"] == "TwoScales"
    assert sum("noise" in record.message for record in caplog.records) == 1
    assert psnr(found.image, truth) > psnr(larger(small, truth), truth) + 1


def test_a_jpeg_is_enlarged_without_its_blocks():
    small, truth = reduced("chelsea", 2, 128)
    file = io.BytesIO()
    Image.fromarray(small).save(file, "JPEG", quality=30)
    given = Image.open(io.BytesIO(file.getvalue()))
    found = photo()("super-resolution", given, scale=2, reduced_by="bicubic")
    assert found.record["guidance"] == "TwoScales"
    assert psnr(np.asarray(found.image), truth) > psnr(larger(np.asarray(given), truth), truth) + 0.25


def test_a_given_level_is_not_measured_and_zero_is_exact():
    small, _ = reduced("coffee", 2, 48, sigma=6)
    told = cheap()("super-resolution", small, scale=2, sigma=9, steps=2)
    assert told.record["sigma_y"] == pytest.approx(9 / 127.5)
    exact = cheap()("super-resolution", small, scale=2, sigma=0, reduced_by="bicubic", steps=2)
    assert (exact.record["sigma_y"], exact.record["guidance"]) == (0, "PnP")
    assert exact.consistency < 0.5


def test_two_scales_cleans_y_and_then_enlarges_it():
    """With a prior that halves what it is given, every step is known."""

    def halves(x, sigma):
        return x / 2

    halves.levels = None
    operator = Downsample((8, 8), 2)
    y = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    problem = Problem(y=y, operator=operator, sigma_y=0.1, shape=(1, 3, 8, 8))
    method = TwoScales(left=0.5)
    schedule = method.schedule(halves, problem, 1)
    assert schedule.tolist() == pytest.approx([0.5, 0])
    state = method.step(problem, halves, None, method.start(problem, schedule[0], None), *schedule, None)
    left = Problem(y=y / 2, operator=operator, sigma_y=0.05, shape=(1, 3, 8, 8))
    wanted = PnP().step(left, halves, None, operator.initial_estimate(y / 2), *schedule, None)
    torch.testing.assert_close(method.picture(problem, state), wanted)


def test_exact_pictures_are_enlarged_as_ever():
    small, _ = reduced("coffee", 4, 64)
    task, options = SuperResolution(), SuperResolutionOptions(sigma=0.0)
    from restore.images import as_picture

    assert default_estimate(task.problem(as_picture(small), options)) is ENLARGING


# Reductions


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_the_reduction_shows_in_the_spectrum(name):
    found = {}
    for kernel in ("bicubic", "lanczos", "gaussian:0.6", "gaussian:0.8"):
        small, _ = reduced(name, 2, 192, kernel)
        found[kernel] = estimate_reduction(torch.from_numpy(small.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None])
    assert found == {
        "bicubic": "bicubic",
        "lanczos": "bicubic",
        "gaussian:0.6": "gaussian:0.6",
        "gaussian:0.8": "gaussian:0.8",
    }
    assert estimate_reduction(torch.zeros(1, 1, 40, 90)) == "bicubic"


def test_a_blurred_small_picture_is_enlarged_by_what_blurred_it():
    small, truth = reduced("coffee", 2, 192, "gaussian:0.8")
    found = photo()("super-resolution", small, scale=2, sigma=0, steps=8)
    assert found.record["found"]["reduced_by"] == "gaussian:0.8"
    plain = photo()("super-resolution", small, scale=2, sigma=0, reduced_by="bicubic", steps=8)
    assert psnr(found.image, truth) > psnr(plain.image, truth) + 0.5


# Sizes


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, (80, 112)),
        ({"scale": 1.5}, (30, 42)),
        ({"scale": 2.3}, (46, 64)),
        ({"size": "70x"}, (50, 70)),
        ({"size": "x50"}, (50, 70)),
        ({"size": "100x50"}, (50, 70)),
        ({"size": "70X400"}, (50, 70)),
        ({"megapixels": 0.0035}, (50, 70)),
    ],
)
def test_any_size_can_be_asked_for(options, size):
    given = np.random.default_rng(0).integers(96, 160, (20, 28, 3), np.uint8)
    result = cheap()("super-resolution", given, sigma=0, reduced_by="bicubic", steps=2, **options)
    assert result.image.shape == (*size, 3)
    assert result.consistency < 0.5


def test_sizes_that_cannot_be_made_are_refused():
    given = np.zeros((20, 28, 3), np.uint8)
    for options in ({"size": "wide"}, {"size": "x"}, {"size": "50x", "scale": 2}, {"scale": 2, "megapixels": 1}):
        with pytest.raises(UsageError, match=r"size takes|give one of them"):
            cheap()("super-resolution", given, **options)
    for options in ({"size": "28x"}, {"size": "200x20"}, {"megapixels": 0.0001}):
        with pytest.raises(PictureError, match="28x20 pixels already"):
            cheap()("super-resolution", given, **options)
    with pytest.raises(PictureError, match="at most 16"):
        cheap()("super-resolution", given, size="2000x")
    with pytest.raises(UsageError, match="gaussian:WIDTH"):
        cheap()("super-resolution", given, reduced_by="magic")


@pytest.mark.parametrize("scale", [1.5, 2.5])
def test_a_fraction_is_better_than_lanczos(scale):
    truth = crop("astronaut", 100, 100, 90)
    side = round(90 / scale)
    pixels = torch.from_numpy(truth.astype(np.float64)).permute(2, 0, 1)[None]
    small = Downsample.between((90, 90), (side, side))(pixels)[0].permute(1, 2, 0).numpy().round().clip(0, 255).astype(np.uint8)
    found = photo()("super-resolution", small, scale=scale, sigma=0, reduced_by="bicubic", steps=8).image
    assert psnr(found, truth) > psnr(larger(small, truth), truth) + 0.8


# Alpha


def shapes(times, parts=8):
    """(64 times, 64 times) coverage of a disk and a wedge, and True inside at `parts` points a pixel."""
    row, column = np.mgrid[: 64 * times * parts, : 64 * times * parts] / (times * parts)
    inside = ((column - 30) ** 2 + (row - 30) ** 2 < 18**2) | ((row > 0.35 * column + 44) & (row < 58) & (column > 6))
    return inside.reshape(64 * times, parts, 64 * times, parts).mean(axis=(1, 3))


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize(("hard", "share"), [(False, 0.5), (True, 0.7)], ids=["antialiased", "hard"])
def test_the_edge_of_a_cut_out_stays_an_edge(scale, hard, share):
    truth, small = 255 * shapes(scale), 255 * shapes(1)
    small = (np.where(small > 127.5, 255, 0) if hard else small.round()).astype(np.uint8)
    height, width = (64 * scale, 64 * scale)
    cubic = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 255)
    found = enlarge_alpha(small, height, width).astype(float)
    assert np.sqrt(((found - truth) ** 2).mean()) < share * np.sqrt(((cubic - truth) ** 2).mean())
    # As many pixels lie between transparent and opaque as in a cut-out of that size, not `scale` times as many.
    between = [((values > 12) & (values < 243)).sum() for values in (found, truth, cubic)]
    assert between[0] < 1.6 * between[1] < 0.8 * between[2]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_soft_alpha_is_interpolated(dtype):
    full = np.iinfo(dtype).max
    ramp = np.tile(np.linspace(0, full, 40), (24, 1)).round().astype(dtype)
    found = enlarge_alpha(ramp, 96, 160)
    wanted = cv2.resize(ramp.astype(np.float32), (160, 96), interpolation=cv2.INTER_CUBIC)
    assert np.abs(found.astype(float) - wanted.clip(0, full)).max() <= 0.01 * full
    assert (enlarge_alpha(np.full((5, 6), full, dtype), 20, 24) == full).all()
    assert resize_alpha(ramp, 12, 20).dtype == dtype


def test_one_window_is_too_little_to_tell_a_reduction():
    # Its spectrum passes for that of a Gaussian, which would ring: 21.7 dB where bicubic interpolation has 25.6.
    small, truth = reduced("coffee", 4, 256, "bicubic")
    found = photo()("super-resolution", small, scale=4, steps=8)
    assert found.record["found"]["reduced_by"] == "bicubic"
    plain = np.asarray(Image.fromarray(small).resize((256, 256), Image.Resampling.BICUBIC))
    assert psnr(found.image, truth) > psnr(plain, truth) + 1


def test_artefacts_of_a_smooth_picture_are_not_enlarged():
    """It shows no noise, and its blocks passed for detail."""
    rows, columns = np.mgrid[0:192, 0:192] / 192
    truth = np.stack([110 + 70 * np.sin(3 * rows + k) * np.cos(3 * columns) for k in range(3)], axis=-1)
    file = io.BytesIO()
    small = Image.fromarray(truth.round().astype(np.uint8)).resize((96, 96), Image.Resampling.BICUBIC)
    small.save(file, "JPEG", quality=50)
    result = photo()("super-resolution", Image.open(file), scale=2, steps=3)
    assert result.record["found"]["jpeg"]
    bicubic = np.asarray(Image.open(file).resize((192, 192), Image.Resampling.BICUBIC))
    assert psnr(np.asarray(result.image), truth) > psnr(bicubic, truth) + 0.5
