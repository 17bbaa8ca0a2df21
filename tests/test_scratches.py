"""Scratches and dust: what is simulated, what is found, and the measures of detail."""

import cv2
import numpy as np
import pytest
import torch

from restore.diagnosis import find_scratches
from restore.diagnosis.detail import measure_detail
from restore.diagnosis.responses import CHANNELS, responses
from restore.diagnosis.scratches import _parts
from restore.training.scratch_detector import SIDE, example
from restore.training.scratches import VISIBLE, damage


def landscape(height=192, width=256, seed=0):
    """A picture with the spectrum of photographs, in grey levels (H, W, 3)."""
    random = np.random.default_rng(seed)
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    amplitude = 1 / np.maximum(np.hypot(rows, columns), 1 / width) ** 1.5
    gray = np.fft.irfft2(amplitude * np.fft.rfft2(random.normal(size=(height, width))), s=(height, width))
    gray = 128 + 40 * gray / gray.std() + random.normal(0, 1, gray.shape)
    return np.repeat(gray.round().clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def as_pixels(picture):
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1


def test_damage_is_where_it_says_and_repeats():
    picture = landscape()
    found, kinds = damage(picture, np.random.default_rng(3))
    again, _ = damage(picture, np.random.default_rng(3))
    assert np.array_equal(found, again)
    changed = np.abs(found.astype(int) - picture).max(axis=2)
    anything = np.any(list(kinds.values()), axis=0)
    assert (changed[~anything] <= VISIBLE).mean() > 0.999  # Where two lie on each other they may add up.
    assert kinds["scratches"].any()
    assert kinds["specks"].any()
    assert 0.001 < anything.mean() < 0.2


def test_examples_of_training():
    picture, target = example(np.full((SIDE, SIDE, 3), 90, np.uint8), np.random.default_rng(1))
    assert picture.shape == (SIDE, SIDE, 3)
    assert set(np.unique(target)) <= {-1, 0, 1}
    found = responses(picture)
    assert found.shape == (CHANNELS, SIDE, SIDE)
    assert np.isfinite(found).all()


def test_responses_are_of_both_signs_and_follow_lines():
    picture = np.full((96, 96, 3), 100, np.float32)
    cv2.line(picture, (10, 48), (86, 48), (160, 160, 160), 1)
    light = responses(picture)
    dark = responses(200 - picture)
    assert light[1, 48, 48] > 2.5
    assert dark[1, 48, 48] < -2.5
    np.testing.assert_allclose(light[3], dark[4], atol=1e-4)
    assert light[3, 48, 48] > 10 * abs(light[3, 20, 48])


def test_scratches_and_dust_are_found():
    picture = landscape()
    scratched = picture.copy()
    truth = np.zeros(picture.shape[:2], np.uint8)
    for start, end in (((40, 0), (52, 191)), ((200, 10), (180, 180)), ((90, 60), (230, 75))):
        cv2.line(truth, start, end, 255, 1, cv2.LINE_AA)
    for at in ((120, 30), (20, 100), (150, 150), (220, 120)):
        cv2.circle(truth, at, 2, 255, -1)
    share = truth[..., None] / 255
    scratched = (picture * (1 - share) + 245 * share).round().astype(np.uint8)
    found = find_scratches(as_pixels(scratched))[0, 0].numpy()
    near = cv2.dilate(truth, np.ones((5, 5), np.uint8)) > 0
    assert found[truth > 128].mean() > 0.8
    assert near[found].mean() > 0.9
    gray = find_scratches(as_pixels(scratched)[:, :1])[0, 0].numpy()
    assert (gray != found).mean() < 0.01


def test_nothing_is_found_where_nothing_is():
    assert float(find_scratches(as_pixels(landscape(seed=5))).float().mean()) < 0.001
    assert not find_scratches(torch.zeros(1, 1, 40, 30)).any()
    assert find_scratches(torch.zeros(1, 3, 5, 7)).shape == (1, 1, 5, 7)


@pytest.mark.parametrize("size", [(1, 1), (768, 769), (2000, 100)])
def test_parts_cover_a_picture_once(size):
    count = np.zeros(size, int)
    for inner, outer, within in _parts(size):
        place = np.arange(size[0] * size[1]).reshape(size)
        assert np.array_equal(place[outer][within], place[inner])
        count[inner] += 1
    assert (count == 1).all()


@pytest.mark.parametrize("blur", [0.8, 1.2, 2.0])
def test_blur_is_measured(blur):
    gray = landscape(256, 256)[..., 0].astype(np.float64)
    sharp = measure_detail(gray)
    soft = measure_detail(cv2.GaussianBlur(gray, (0, 0), blur).round())
    assert sharp.blur < 0.5
    assert soft.blur == pytest.approx(blur, abs=0.35)
    assert soft.end < sharp.end == 1


@pytest.mark.parametrize("factor", [1.5, 3, 4])
def test_enlargement_is_measured(factor):
    small = landscape(round(384 / factor), round(384 / factor))[..., 0].astype(np.float32)
    large = cv2.resize(small, (384, 384), interpolation=cv2.INTER_CUBIC).astype(np.float64).round()
    assert measure_detail(large).enlarged == pytest.approx(factor, rel=0.03)
    assert measure_detail(landscape(384, 384)[..., 0].astype(np.float64)).enlarged is None
