"""One line for one picture."""

import numpy as np
import pytest
import torch
from photographs import crop, photo, scratches

import restore
from restore.api import shortcuts
from restore.errors import PictureError, UsageError


@pytest.fixture(autouse=True)
def one_prior(monkeypatch):
    monkeypatch.setattr(shortcuts, "_photo", photo)  # Loaded once for all tests.


def test_each_is_its_task_with_the_bundled_prior():
    picture, mask = crop("chelsea", 96, 160, 64), scratches("chelsea", 96, 160, 64)
    gray = picture[..., 1]
    hints = np.dstack([picture, np.where(mask, 255, 0).astype(np.uint8)])
    calls = [
        (restore.inpaint(picture, mask, steps=3), ("inpaint", picture, {"mask": mask, "steps": 3})),
        (restore.super_resolution(picture, 2, steps=2), ("super-resolution", picture, {"scale": 2, "steps": 2})),
        (restore.denoise(picture, 12), ("denoise", picture, {"sigma": 12.0})),
        (restore.denoise(picture), ("denoise", picture, {})),
        (restore.colorize(gray, steps=2), ("colorize", gray, {"steps": 2})),
        (restore.colorize(gray, hints, steps=2), ("colorize", gray, {"hints": hints, "steps": 2})),
        (restore.jpeg(picture, assumed_quality=30, steps=2), ("jpeg", picture, {"assumed_quality": 30, "steps": 2})),
        (restore.deblur(picture, "gaussian:1", steps=2), ("deblur", picture, {"kernel": "gaussian:1", "steps": 2})),
        (restore.auto(picture, steps=2), ("auto", picture, {"steps": 2})),
    ]
    for found, (task, image, keywords) in calls:
        assert found.dtype == image.dtype
        assert np.array_equal(found, photo()(task, image, **keywords).image), (task, keywords)


def test_diagnose_looks_at_any_kind_of_picture():
    picture = crop("chelsea", 96, 160, 64)
    assert restore.diagnose(picture).size == (64, 64)
    assert restore.diagnose(picture[..., 0]).gray


def test_the_kind_that_comes_in_goes_out():
    tensor = torch.from_numpy(crop("coffee", 200, 200, 32)).permute(2, 0, 1) / 255
    assert restore.super_resolution(tensor, scale=3, steps=1).shape == (3, 96, 96)
    assert restore.denoise(tensor[None]).shape == (1, 3, 32, 32)


def test_errors_are_those_of_the_task():
    with pytest.raises(PictureError, match="size"):
        restore.inpaint(crop("coffee", 0, 0, 32), np.zeros((16, 16), bool))
    with pytest.raises(UsageError, match="did you mean 'sigma'"):
        restore.denoise(crop("coffee", 0, 0, 32), sgima=3)


def test_the_prior_is_loaded_once(monkeypatch):
    monkeypatch.undo()
    assert shortcuts._photo() is shortcuts._photo()
