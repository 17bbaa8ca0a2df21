"""The task `deblur`, its kernels and its operator."""

from __future__ import annotations

import io
import logging
import math

import cv2
import numpy as np
import pytest
import torch
from gaussian import dense
from photographs import cheap, crop, noisy, photo, psnr
from PIL import Image
from torch.nn import functional as F

from restore import images
from restore.blur.kernel import estimate_kernel, similarity
from restore.blur.noise import _at_stopped, noise_with_kernel
from restore.blur.width import estimate_blur_width
from restore.errors import OperatorError, PictureError, UsageError
from restore.operators import OpenBlur, kernels
from restore.testing import check_linear


def lopsided(height=3, width=4):
    """A kernel that is not symmetric, and far from singular."""
    kernel = torch.rand(height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kernel[height // 2, width // 2] += 4
    return kernel / kernel.sum()


OPERATORS = {
    "lopsided": OpenBlur(lopsided(), (8, 9), doubt=3, iterations=40),
    "no doubt": OpenBlur(lopsided(4, 3), (9, 8), iterations=40),
    "gaussian": OpenBlur(kernels.gaussian(0.45), (9, 7), doubt=2, iterations=50),
    "row": OpenBlur(torch.tensor([[0.2, 0.6, 0.2]]), (5, 7), doubt=1, iterations=40),
    "none": OpenBlur(torch.ones(1, 1), (4, 6), doubt=9),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", OPERATORS)
def test_laws(name, dtype):
    check_linear(OPERATORS[name], (2, 2, *OPERATORS[name].size), dtype=dtype)


@pytest.mark.parametrize("name", OPERATORS)
def test_prox_equals_dense_linear_algebra(name):
    operator = OPERATORS[name]
    matrix = dense(operator, (1, *operator.size))
    generator = torch.Generator().manual_seed(1)
    v, y = torch.randn(2, 1, 1, *operator.size, generator=generator, dtype=torch.float64)
    for rho in (1e-2, 0.3):
        normal = matrix.T @ matrix + rho * torch.eye(v.numel(), dtype=torch.float64)
        wanted = torch.linalg.solve(normal, matrix.T @ y.flatten() + rho * v.flatten())
        torch.testing.assert_close(operator.prox(v, y, rho).flatten(), wanted, atol=1e-9, rtol=0)


def test_open_blur_is_a_convolution_of_the_picture_continued_at_its_border():
    kernel = lopsided()
    x = torch.randn(1, 1, 8, 9, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    wanted = F.conv2d(F.pad(x, (1, 2, 1, 1), mode="replicate"), kernel.flip(0, 1)[None, None])
    torch.testing.assert_close(OpenBlur(kernel, (8, 9))(x), wanted, atol=1e-14, rtol=0)


def test_rows_count_by_the_share_of_the_kernel_that_lies_outside():
    weights = OpenBlur(torch.tensor([[0.2, 0.5, 0.3]]), (2, 6), doubt=4.0).weights[0, 0]
    # A pixel is reached by its right neighbour's share 0.2 and its left one's 0.3: y[i] = 0.2 x[i+1] + 0.5 x[i] + 0.3 x[i-1].
    torch.testing.assert_close(weights[0, 0], torch.tensor(1 / math.sqrt(1 + (4 * 0.3) ** 2), dtype=torch.float64))
    torch.testing.assert_close(weights[1, 5], torch.tensor(1 / math.sqrt(1 + (4 * 0.2) ** 2), dtype=torch.float64))
    torch.testing.assert_close(weights[:, 1:5], torch.ones(2, 4, dtype=torch.float64))


def test_open_blur_refuses():
    with pytest.raises(OperatorError, match="no larger than the picture"):
        OpenBlur(torch.ones(5, 5), (4, 8))
    with pytest.raises(OperatorError, match="sum of 0"):
        OpenBlur(torch.tensor([[1.0, -1.0]]), (4, 8))


# Kernels


def moments(kernel):
    """Middle (row, column) from the middle pixel, and variances (rows, columns, both)."""
    rows, columns = (torch.arange(side) - side // 2 for side in kernel.shape)
    down, right = (kernel.sum(dim=1) * rows).sum(), (kernel.sum(dim=0) * columns).sum()
    both = (kernel * rows[:, None] * columns).sum()
    return down, right, (kernel.sum(dim=1) * rows**2).sum(), (kernel.sum(dim=0) * columns**2).sum(), both


@pytest.mark.parametrize(
    ("kernel", "rows", "columns", "both"),
    [
        (kernels.gaussian(1.6), 1.6**2, 1.6**2, 0),
        (kernels.defocus(4.5), 4.5**2 / 4, 4.5**2 / 4, 0),
        # Splitting among neighbours adds f (1 - f) in each direction, a sixth in the mean.
        (kernels.motion(12, 0), 0, 12**2 / 12 + 1 / 6, 0),
        (kernels.motion(12, 90), 12**2 / 12 + 1 / 6, 0, 0),
        (kernels.motion(12, 30), 12**2 / 48 + 1 / 6, 12**2 / 16 + 1 / 6, -(12**2) / 12 * math.sqrt(3) / 4),
    ],
    ids=["gaussian", "defocus", "motion right", "motion up", "motion up to the right"],
)
def test_kernels_have_the_moments_of_what_they_are_named_after(kernel, rows, columns, both):
    assert all(side % 2 for side in kernel.shape)
    assert float(kernel.sum()) == pytest.approx(1)
    down, right, *found = moments(kernel)
    assert (abs(float(down)), abs(float(right))) == pytest.approx((0, 0), abs=1e-12)
    assert [float(value) for value in found] == pytest.approx([rows, columns, both], abs=0.12)


def test_a_path_of_one_point_does_not_blur():
    assert torch.equal(kernels.path(torch.zeros(3), torch.zeros(3)), torch.ones(1, 1, dtype=torch.float64))


# The task


def blurred(name="astronaut", side=96, kernel=None, sigma=2.55, top=64, left=160):
    """A crop of the blurred photograph, so that what lies beyond its border leaks in, and the sharp crop."""
    kernel = kernels.gaussian(1.6) if kernel is None else kernel
    reach = max(kernel.shape)
    whole = crop(name, top - reach, left - reach, side + 2 * reach).astype(np.float64)
    # OpenCV correlates: a kernel is turned around.
    spread = cv2.filter2D(whole, -1, kernel.numpy()[::-1, ::-1], borderType=cv2.BORDER_REFLECT)
    inner = slice(reach, reach + side)
    return noisy(spread[inner, inner], sigma), whole[inner, inner]


@pytest.mark.parametrize(
    ("spec", "kernel", "gain"),
    [
        ("gaussian:1.6", kernels.gaussian(1.6), 2.5),
        ("motion:9,30", kernels.motion(9, 30), 5),
        ("defocus:3", kernels.defocus(3), 3),
    ],
)
def test_a_named_kernel_is_taken_out(spec, kernel, gain):
    given, truth = blurred(kernel=kernel)
    found = photo()("deblur", given, kernel=spec, sigma=2.55).image
    assert psnr(found, truth) > psnr(given, truth) + gain
    # The border is no worse than what was given, though what leaks in there is not known.
    rim = np.ones((96, 96), bool)
    rim[8:-8, 8:-8] = False
    assert psnr(found, truth, rim) > psnr(given, truth, rim) + 1


def test_a_kernel_comes_from_a_file(tmp_path):
    kernel = kernels.motion(7, 60)
    given, _ = blurred(kernel=kernel)
    wanted = cheap()("deblur", given, kernel="motion:7,60", steps=2).samples
    np.save(tmp_path / "k.npy", 3 * kernel.numpy())
    torch.testing.assert_close(cheap()("deblur", given, kernel=str(tmp_path / "k.npy"), steps=2).samples, wanted)
    cv2.imwrite(str(tmp_path / "k.png"), (kernel / kernel.max() * 65535).round().numpy().astype(np.uint16))
    found = cheap()("deblur", given, kernel=str(tmp_path / "k.png"), steps=2).samples
    torch.testing.assert_close(found, wanted, atol=1e-2, rtol=0)


@pytest.mark.parametrize("width", [1.2, 2.0])
@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_the_width_of_a_blur_shows_at_edges(name, width):
    kernel = kernels.gaussian(width)
    given, _ = blurred(name, 128, kernel, sigma=1)
    pixels = torch.from_numpy(given.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    assert estimate_blur_width(pixels) == pytest.approx(width, rel=0.3)


def test_a_step_has_the_width_of_its_blur():
    for width in (0.8, 1.6, 3.0):
        place = torch.arange(64) - 32.0
        step = torch.erf(place / width / math.sqrt(2)).expand(1, 3, 64, 64) * 0.8
        for pixels in (step, step.mT):
            assert estimate_blur_width(pixels) == pytest.approx(width, abs=0.2)
    assert estimate_blur_width(torch.zeros(1, 1, 64, 64)) == 0
    assert estimate_blur_width(torch.zeros(1, 3, 8, 64)) == 0


def test_a_blur_of_unknown_width_is_taken_out(caplog):
    given, truth = blurred(side=128, sigma=1)
    with caplog.at_level(logging.INFO, logger="restore"):
        found = photo()("deblur", given)
    assert found.record["found"]["width"] == pytest.approx(1.6, rel=0.3)
    assert "blur estimated as a Gaussian of" in caplog.text
    assert psnr(found.image, truth) > psnr(given, truth) + 1
    sharp = np.where((np.indices((48, 48)).sum(axis=0) // 12 % 2)[..., None] > 0, 200, 40).astype(np.uint8).repeat(3, axis=2)
    with pytest.raises(PictureError, match="no blur found"):
        cheap()("deblur", sharp)


def test_the_noise_is_measured_and_said(caplog):
    given, _ = blurred(sigma=12)
    with caplog.at_level(logging.INFO, logger="restore"):
        found = cheap()("deblur", given, kernel="gaussian:1.6", steps=1)
    assert found.record["sigma_y"] * 127.5 == pytest.approx(12, rel=0.25)
    assert "noise estimated at" in caplog.text


def test_photographs_are_no_kernels(tmp_path):
    given, _ = blurred()
    colour = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    for name, samples, said in (
        ("c", colour, "in colour, 9x9"),
        ("g", np.ones((9, 301), np.uint8), "301x9 pixels are too many"),
    ):
        cv2.imwrite(str(tmp_path / f"{name}.png"), samples)
        with pytest.raises(PictureError, match=said):
            cheap()("deblur", given, kernel=str(tmp_path / f"{name}.png"))


def test_kernels_that_cannot_be_used_are_refused(tmp_path):
    given = np.zeros((20, 28, 3), np.uint8)
    for spec in ("gaussian", "gaussian:x", "motion:3", "gaussian:-1", "nothing.png"):
        with pytest.raises(UsageError, match="kernel"):
            cheap()("deblur", given, kernel=spec)
    np.save(tmp_path / "dark.npy", np.zeros((3, 3)))
    with pytest.raises(PictureError, match="not all 0"):
        cheap()("deblur", given, kernel=str(tmp_path / "dark.npy"))
    with pytest.raises(PictureError, match="more than the picture, 28x20"):
        cheap()("deblur", given, kernel="motion:40,0")


@pytest.mark.parametrize("name", ["coffee", *(pytest.param(name, marks=pytest.mark.slow) for name in ("chelsea", "astronaut"))])
def test_sharp_pictures_have_no_blur_to_take_out(name):
    with pytest.raises(PictureError, match="no blur found"):
        cheap()("deblur", crop(name, 60, 60, 192))


def test_both_halves_of_a_shaken_picture_show_the_motion():
    kernel = kernels.motion(9, 30)
    given, _ = blurred("coffee", 192, kernel, sigma=1, top=40, left=100)
    pixels = torch.from_numpy(given.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    found = estimate_kernel(pixels, side=15)
    assert similarity(found.kernel, kernel) > 0.7
    assert found.agreement > 0.6
    assert found.widths[1] > 1.5 * found.widths[0]
    assert estimate_kernel(pixels[..., :64]) is None


def test_similarity_does_not_depend_on_place_and_scale():
    kernel = lopsided()
    moved = F.pad(3 * kernel, (2, 0, 0, 5))
    assert similarity(kernel, moved) == pytest.approx(1)
    assert similarity(kernels.motion(9, 0), kernels.motion(9, 90)) < 0.5


def test_the_kernel_is_written(tmp_path):
    given, _ = blurred(side=48)
    for name in ("k.npy", "k.png"):
        wanted = cheap()("deblur", given, kernel="gaussian:1.6", steps=1, sigma=3, write_kernel=str(tmp_path / name)).samples
        again = cheap()("deblur", given, kernel=str(tmp_path / name), steps=1, sigma=3).samples
        torch.testing.assert_close(again, wanted, atol=1e-2, rtol=0)
    with pytest.raises(UsageError, match="exists already"):
        cheap()("deblur", given, kernel="gaussian:1.6", write_kernel=str(tmp_path / "k.npy"))
    with pytest.raises(UsageError, match=r"\.npy or \.png"):
        cheap()("deblur", given, kernel="gaussian:1.6", write_kernel=str(tmp_path / "k.txt"))


def soft(name, width, side=128):
    """A picture blurred by a Gaussian, as floats, and the truth."""
    truth = crop(name, 100, 150, side)
    kernel = kernels.gaussian(width).numpy().astype(np.float32)
    return cv2.filter2D(truth.astype(np.float32), -1, kernel, borderType=cv2.BORDER_REFLECT), truth


@pytest.mark.parametrize("sigma", [3.0, 8.0])
def test_white_noise_has_its_level_where_the_kernel_stops_everything_else(sigma):
    given, _ = soft("coffee", 1.6)
    noisy_one = (given + np.random.default_rng(0).normal(0, sigma, given.shape)).round().clip(0, 255).astype(np.uint8)
    share, level = _at_stopped(images.as_picture(noisy_one).pixels, kernels.gaussian(1.6))
    assert 0.6 < share < 0.8
    assert level * 127.5 == pytest.approx(sigma, rel=0.05)
    found = noise_with_kernel(images.as_picture(noisy_one), kernels.gaussian(1.6), sigma / 127.5)
    assert found * 127.5 == pytest.approx(sigma, rel=0.05)


def on_photographs(names, *cases):
    """Each case on each photograph; each photograph and each case once in the fast set."""
    return pytest.mark.parametrize(
        names,
        [
            pytest.param(name, *case, marks=[pytest.mark.slow] * (row != column))
            for row, name in enumerate(("chelsea", "coffee", "astronaut"))
            for column, case in enumerate(cases)
        ],
    )


@on_photographs(("name", "quality", "noise", "gain"), (50, 0, 0.5), (80, 0, 1.0), (95, 4, 0.3))
def test_what_compression_did_is_not_sharpened(name, quality, noise, gain):
    given, truth = soft(name, 1.6)
    given = given + np.random.default_rng(0).normal(0, noise, given.shape)
    file = io.BytesIO()
    Image.fromarray(given.round().clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    decoded = np.asarray(Image.open(file))
    assert psnr(photo()("deblur", decoded, kernel="gaussian:1.6").image, truth) > psnr(decoded, truth) + gain


@on_photographs(("name", "deviation"), (3,), (6,), (10,))
def test_grain_is_not_made_blotches(name, deviation):
    given, truth = soft(name, 1.6)
    drawn = cv2.GaussianBlur(np.random.default_rng(0).standard_normal(given.shape[:2]), (0, 0), 1.0)
    grainy = (given + deviation * (drawn / drawn.std())[..., None]).round().clip(0, 255).astype(np.uint8)
    found = photo()("deblur", grainy, kernel="gaussian:1.6")
    assert psnr(found.image, truth) > psnr(grainy, truth) - 0.2  # Taken for white noise of its own level: 10.8 dB of 27.
