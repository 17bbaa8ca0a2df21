import numpy as np
import pytest
import restore_anomaly
import torch
from restore_anomaly import Anomaly, differences

from restore import Restorer, UsageError
from restore.testing import White, check_task


def test_it_is_a_task():
    check_task(Anomaly(), level=20.0)


def test_a_spot_on_a_smooth_picture_is_found(plugin_manager):
    plugin_manager(restore_anomaly)
    picture = np.full((16, 16), 120, np.uint8)
    picture[5:8, 9:12] = 250
    # A prior of flat pictures: what differs from its mean is noise to it.
    normal = White(1, mean=120 / 127.5 - 1, deviation=0.01)
    found = Restorer(normal)("anomaly", picture, smooth=0).image
    assert found[5:8, 9:12].min() > 200
    assert np.delete(found, range(5, 8), axis=0).max() < 20


def test_a_level_that_the_prior_does_not_know(plugin_manager, tiny_prior, sample_pictures):
    plugin_manager(restore_anomaly)
    with pytest.raises(UsageError, match="grey levels, not 2e"):
        Restorer(tiny_prior)("anomaly", sample_pictures["gray"], level=20000.0)


def test_differences_are_in_grey_levels():
    x = torch.zeros(1, 3, 5, 5)
    x[..., 2, 2] = 0.3
    assert float(differences(x, torch.zeros(1), 0)[0, 0, 2, 2]) == pytest.approx(0.3 * 127.5)
    assert float(differences(x, torch.zeros(1), 1)[0, 0, 2, 2]) == pytest.approx(0.3 * 127.5 / 9)
    assert float(differences(x, torch.zeros(1), 2)[0, 0, 0, 0]) == pytest.approx(0.3 * 127.5 / 9)
