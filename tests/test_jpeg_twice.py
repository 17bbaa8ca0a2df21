"""Earlier compressions of a JPEG, and colours of a gray one."""

import io

import numpy as np
import pytest
import torch
from photographs import crop
from photographs import photo as restorer
from PIL import Image

from restore.compression import Earlier, constraint_of, earlier_compression
from restore.diagnosis import diagnose
from restore.images import as_picture
from restore.operators import GrayWithHints
from restore.operators.constraint import Constraint
from restore.operators.luma_cells import LumaCells

PHOTO = Image.fromarray(crop("astronaut", 0, 60, 320))


def saved(image, quality):
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(io.BytesIO(data.getvalue()))


def found(image, quality):
    picture = as_picture(saved(image, quality))
    return earlier_compression(picture.pixels, picture.jpeg.cells())


@pytest.mark.parametrize(("first", "second"), [(50, 75), (75, 90), (60, 95)])
def test_a_first_quality_on_the_same_grid_is_found(first, second):
    earlier = found(saved(PHOTO, first), second)
    assert earlier.same_grid
    assert abs(earlier.quality - first) <= 3


@pytest.mark.parametrize("quality", [60, 75, 90])
def test_a_picture_that_was_compressed_once_shows_no_other(quality):
    assert found(PHOTO, quality) is None


def test_a_first_compression_on_another_grid_is_found():
    earlier = found(saved(PHOTO, 40).crop((5, 3, 320, 320)), 95)
    assert not earlier.same_grid
    assert abs(earlier.quality - 40) <= 3


def test_an_earlier_compression_shows_after_saving_as_png():
    picture = as_picture(np.asarray(saved(saved(PHOTO, 50), 80)))
    earlier = earlier_compression(picture.pixels, constraint_of(picture))
    assert earlier == Earlier(earlier.quality, same_grid=True)
    assert abs(earlier.quality - 50) <= 3


def test_diagnose_tells_of_it():
    twice = diagnose(as_picture(saved(saved(PHOTO, 50), 90)))
    told = twice.to_dict()["jpeg"]["earlier"]
    assert told["same_grid"]
    assert abs(told["quality"] - 50) <= 3
    assert f"compressed before, at a quality of about {told['quality']}" in twice.findings()
    once = diagnose(as_picture(saved(PHOTO, 90)))
    assert once.to_dict()["jpeg"]["earlier"] is None
    assert not any("before" in words for words in once.findings())


class Half(Constraint):
    """Gray pictures of 0.5 everywhere."""

    def project(self, y):
        return torch.full_like(y, 0.5)


def test_luma_cells_leave_chroma_and_hold_luma():
    hints = torch.rand(1, 1, 6, 8, generator=torch.Generator().manual_seed(0)) < 0.3
    operator = GrayWithHints(hints)
    y = operator(torch.randn(1, 3, 6, 8, generator=torch.Generator().manual_seed(1)))
    v = operator(torch.randn(2, 3, 6, 8, generator=torch.Generator().manual_seed(2)))
    for points in (LumaCells(y, operator, Half()).project(v), LumaCells(y, operator, Half()).prox(v, 2.0)):
        torch.testing.assert_close(points[:, :1] * operator.norm, torch.full((2, 1, 6, 8), 0.5))
        assert torch.equal(points[:, 1:], y[:, 1:].expand(2, -1, -1, -1))
    assert LumaCells(y, operator, constraint_of(as_picture(saved(PHOTO, 50)))).crop((0, 3, 0, 8)) is None


def test_colours_of_a_jpeg_lose_its_artefacts():
    truth = PHOTO.crop((100, 60, 196, 156))
    gray = saved(truth.convert("L"), 30)
    painted = np.zeros((96, 96), np.uint8)
    painted[4::12, 4::12] = 255
    hints = Image.fromarray(np.dstack([np.asarray(truth), painted]))
    before = np.asarray(saved(truth.convert("L"), 30), float)
    result = restorer()("colorize", gray, hints=hints, steps=6)
    luma = np.asarray(truth.convert("L"), float)
    errors = [np.square(one - luma).mean() for one in (np.asarray(result.image.convert("L"), float), before)]
    assert errors[0] < 0.9 * errors[1]
    assert result.consistency < 0.5
    assert result.picture.jpeg is None
