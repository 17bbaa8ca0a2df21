import dataclasses

import pytest
import torch

from restore.errors import PictureError
from restore.operators import Identity
from restore.problem import Problem


def problem(y=None, sigma_y=0.1):
    y = torch.zeros(1, 1, 2, 2) if y is None else y
    return Problem(y, Identity(), sigma_y, tuple(y.shape))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_refuses_a_measurement_that_is_not_finite(bad):
    y = torch.zeros(1, 1, 2, 2)
    y[..., 1, 1] = bad
    with pytest.raises(PictureError, match="NaN or infinite"):
        problem(y)


@pytest.mark.parametrize("bad", [-1e-9, float("nan"), float("inf")])
def test_refuses_a_noise_level_that_is_none(bad):
    with pytest.raises(PictureError, match="noise level"):
        problem(sigma_y=bad)


def test_takes_zero_noise():
    assert problem(sigma_y=0).sigma_y == 0


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem().sigma_y = 1
