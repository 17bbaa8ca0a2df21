"""The task `jpeg`: lost tables, grids, and answers in the cells of a file."""

import io
import logging

import numpy as np
import pytest
import torch
from photographs import crop
from PIL import Image
from test_jpeg_cells import compressed, original, ycc

from restore import Restorer, images
from restore.compression import (
    Compression,
    artefacts_of,
    cells_of_pixels,
    constraint_of,
    estimate_compression,
    settings_of,
)
from restore.errors import UsageError
from restore.noise.estimation import estimate_noise
from restore.operators.jpeg import tables

PHOTO = crop("coffee", 100, 100, 160)


def saved(samples, quality, **options):
    """What a decoder shows of a JPEG, as an array without its file."""
    data = io.BytesIO()
    Image.fromarray(samples).save(data, "JPEG", quality=quality, **options)
    return np.asarray(Image.open(io.BytesIO(data.getvalue())))


def pixels(samples):
    return images.as_picture(np.ascontiguousarray(samples)).pixels


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 85])
@pytest.mark.parametrize("cut", [(0, 0), (3, 5), (9, 14)])
def test_quality_and_grid_of_a_gray_picture_are_found(quality, cut):
    shown = saved(np.asarray(Image.fromarray(PHOTO).convert("L")), quality)[cut[0] :, cut[1] :]
    assert estimate_compression(pixels(shown)) == Compression(quality, (cut[0] % 8, cut[1] % 8), None)


@pytest.mark.parametrize("quality", [20, 50, 75])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_quality_and_chroma_of_a_colour_picture_are_found(quality, subsampling):
    cut = (9, 4)
    found = estimate_compression(pixels(saved(PHOTO, quality, subsampling=subsampling)[cut[0] :, cut[1] :]))
    assert (found.quality, found.origin[0] % 8, found.origin[1] % 8) == (quality, 1, 4)
    assert found.subsampling in (subsampling, None)
    if found.subsampling == 2:
        assert found.origin == cut


@pytest.mark.parametrize("name", ["coffee", "chelsea", "astronaut"])
def test_a_picture_that_was_never_compressed_shows_no_table(name):
    stripes = np.full((96, 96), 40, np.uint8)
    stripes[:, ::4] = stripes[:, 1::4] = 190
    for samples in (crop(name, 60, 60, 160), original(96, 96), np.full((96, 96, 3), 90, np.uint8), stripes):
        assert estimate_compression(pixels(samples)) is None
    assert constraint_of(images.as_picture(PHOTO)) is None


@pytest.mark.parametrize("subsampling", [0, 2, None])
def test_cells_of_lost_tables_are_those_of_the_file(subsampling):
    """Same indices, but for chroma that is put back from its interpolation."""
    options = {} if subsampling is None else {"subsampling": subsampling}
    samples = original(96, 80, 1 if subsampling is None else 3, contrast=1.0)
    picture = compressed(samples, 40, **options)
    of_file = picture.jpeg.cells()
    of_pixels = cells_of_pixels(picture.pixels, Compression(40, (0, 0), subsampling))
    for i, (known, lost) in enumerate(zip(of_file.planes, of_pixels.planes, strict=True)):
        assert torch.equal(known.table, lost.table)
        assert lost.known.all()
        wrong = (known.index != lost.index).float().mean()
        assert wrong < (0.01 if i and subsampling else 1e-3)


def test_blocks_that_are_cut_are_open():
    picture = images.as_picture(saved(PHOTO, 40)[3:, 5:])
    cells = cells_of_pixels(picture.pixels, Compression(40, (3, 5), None))
    luma = cells.planes[0]
    assert not luma.known[0].any()
    assert not luma.known[:, 0].any()
    assert luma.known[1:-1, 1:-1].all()
    x = pixels(PHOTO[3:, 5:])
    # The decoder's rounding to RGB, and the encoder's of luma.
    assert ycc(cells.project(x) - x).square().mean().sqrt() < 0.5


def test_coarser_tables_start_at_higher_levels():
    found = [settings_of(cells_of_pixels(pixels(PHOTO), Compression(quality, (0, 0), None))) for quality in (95, 75, 40, 10)]
    assert [one.sigma_start for one in found] == sorted(one.sigma_start for one in found)
    assert all(one.sigma_end < one.sigma_start for one in found)


def test_the_proximal_point_lies_between_the_picture_and_the_middle_of_its_cells():
    """In one coefficient of variance q^2 / 12: (rho v + 12 / q^2 c) / (rho + 12 / q^2)."""
    gray = np.full((8, 8), 128, np.uint8)
    cells = cells_of_pixels(pixels(gray), Compression(50, (0, 0), None))
    step = float(tables(50)[0, 0, 0])
    middle = pixels(gray) * 127.5 - 0.5
    middle = middle * 0  # All coefficients were rounded to 0, at 127.5 + 0.5.
    v = middle + step / 8 * 0.3  # A mean that is 0.3 steps away, in units of an orthonormal DCT.
    x = (v + 0.5) / 127.5
    for rho in (0.1, 1.0, 10.0):  # In grey levels.
        expected = v * rho / (rho + 12 / step**2)
        found = cells.prox(x, rho * 127.5**2) * 127.5 - 0.5
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
    far = (v * 5 + 0.5) / 127.5
    torch.testing.assert_close(cells.prox(far, 1e9) * 127.5 - 0.5, v / 0.3 / 2, atol=1e-3, rtol=0)


def psnr(a, b):
    return 10 * np.log10(255**2 / np.square(np.asarray(a, float) - np.asarray(b, float)).mean())


@pytest.fixture(scope="module")
def restorer():
    return Restorer.from_pretrained("photo", device="cpu", dtype="float32")


@pytest.mark.parametrize("lost", [False, True])
def test_a_jpeg_comes_closer_to_its_original(restorer, lost):
    truth = PHOTO[:96, :96]
    data = io.BytesIO()
    Image.fromarray(truth).save(data, "JPEG", quality=20)
    image = Image.open(io.BytesIO(data.getvalue()))
    given = np.asarray(Image.open(io.BytesIO(data.getvalue())))
    result = restorer("jpeg", given if lost else image, steps=6)
    assert psnr(result.image, truth) > psnr(given, truth) + 1
    assert result.consistency < 0.5
    assert result.picture.jpeg is None


def test_samples_lie_in_the_full_problem(restorer):
    image = saved(PHOTO[:64, :64], 20)
    result = restorer("jpeg", image, samples=2, steps=5)
    assert result.answer == "mean"
    assert result.std.max() > 0.01
    assert result.consistency < 0.5


def test_a_clean_picture_comes_back_as_it_is(restorer, caplog):
    with caplog.at_level(logging.WARNING, "restore"):
        result = restorer("jpeg", PHOTO)
    assert np.array_equal(result.image, PHOTO)
    assert "no sign of JPEG compression" in caplog.text


@pytest.mark.parametrize("grid", ["3", "16,0", "a,b", "-1,2"])
def test_a_grid_that_is_none_is_refused(restorer, grid):
    with pytest.raises(UsageError, match="two numbers from 0 to 15"):
        restorer("jpeg", PHOTO, grid=grid)


def opened(samples, quality):
    data = io.BytesIO()
    Image.fromarray(samples).save(data, "JPEG", quality=quality)
    return Image.open(io.BytesIO(data.getvalue()))


def with_noise(samples, deviation):
    noise = np.random.default_rng(0).standard_normal(samples.shape)
    return (samples + deviation * noise).clip(0, 255).round().astype(np.uint8)


@pytest.mark.parametrize(
    ("noise", "quality", "only_compressed"), [(0, 20, True), (0, 75, True), (10, 90, False), (15, 75, False)]
)
def test_what_compression_did_is_told_from_noise(noise, quality, only_compressed):
    picture = images.as_picture(opened(with_noise(PHOTO, noise), quality))
    model = estimate_noise(picture.pixels)
    assert (artefacts_of(picture, model.root_mean_square(picture.pixels)) is not None) == only_compressed


def test_pixels_that_are_no_part_of_the_picture_are_not_its_quiet_places():
    samples = with_noise(PHOTO, 15)
    samples[40:100, 40:100] = 128
    picture = images.as_picture(opened(samples, 75))
    known = torch.ones(1, 1, 160, 160, dtype=torch.bool)
    known[..., 36:104, 36:104] = False
    assert artefacts_of(picture, 12 / 127.5) is not None
    assert artefacts_of(picture, 12 / 127.5, known=known) is None


def test_a_picture_without_tables_or_with_fine_ones_has_no_artefacts():
    assert artefacts_of(images.as_picture(PHOTO), 0.0) is None
    assert artefacts_of(images.as_picture(opened(PHOTO, 99)), 0.0) is None


def test_denoising_a_jpeg_takes_artefacts_out(restorer, caplog):
    """It is the task `jpeg` then, to the same bytes; with a level of noise it is not."""
    samples = PHOTO[:96, :96]  # Opened anew each time, as a loaded image has no file.
    with caplog.at_level(logging.INFO, "restore"):
        found = restorer("denoise", opened(samples, 40), steps=4)
    assert "it is what JPEG compression did" in caplog.text
    assert np.array_equal(found.image, restorer("jpeg", opened(samples, 40), steps=4).image)
    assert found.picture.jpeg is None
    noisy = restorer("denoise", opened(samples, 40), sigma=5, steps=4)
    assert noisy.record["sigma_y"] == pytest.approx(5 / 127.5)


def test_holes_of_a_jpeg_get_no_grain(restorer, caplog):
    image = opened(PHOTO[:96, :96], 40)
    fill = np.zeros((96, 96), np.uint8)
    fill[40:52, 30:60] = 255
    with caplog.at_level(logging.INFO, "restore"):
        found = restorer("inpaint", image, mask=fill, steps=4)
    assert "holes get no grain" in caplog.text
    assert np.array_equal(found.image, restorer("inpaint", image, mask=fill, steps=4, sigma=0).image)
    kept = fill == 0
    assert np.array_equal(np.asarray(found.image)[kept], np.asarray(image)[kept])
