import numpy as np
import pytest
import restore_translate
import torch
from restore_translate.bridge import Bridge, encode

from restore import PriorError, Restorer, UsageError, hookimpl
from restore.testing import White, check_task


@hookimpl
def restore_priors():
    """`dark:CHANNELS`: pictures of a mean of 0.5 below middle grey."""
    return {"dark": lambda channels, **_: White(int(channels), mean=-0.5, deviation=0.1)}


@pytest.fixture
def known(plugin_manager):
    from types import ModuleType

    module = ModuleType("dark")
    module.restore_priors = restore_priors
    plugin_manager(restore_translate, module)


def test_it_is_a_task(known):
    check_task(restore_translate.Translate(), level=50.0)


def test_a_picture_of_one_normal_law_becomes_the_same_one_of_another(known):
    """Between normal laws the bridge is the map of least transport: it moves the mean and scales the deviation."""
    x = -0.5 + 0.1 * torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    bright = White(1, mean=0.3, deviation=0.2)
    found = Restorer(bright)("translate", x[0] / 2 + 0.5, source="dark:1", steps=80).picture.pixels
    assert torch.allclose(found, (0.3 + 2 * (x + 0.5)).clamp(-1, 1), atol=0.02)


def test_noise_of_the_source_has_its_level():
    x = 0.1 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert encode(White(1, deviation=0.1), x, 5.0, 40).std().item() == pytest.approx(5.0, rel=0.05)


def test_without_a_source_noise_covers_the_picture(known):
    picture = np.full((32, 32), 20, np.uint8)
    bright = Restorer(White(1, mean=0.5, deviation=0.05))
    covered, kept = (bright("translate", picture, level=level).image.mean() for level in (500.0, 3.0))
    assert covered == pytest.approx(127.5 * 1.5, abs=4)
    assert kept < covered / 2


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"level": 20000.0}, UsageError, "grey levels, not 2e"),
        ({"source": "dark:3", "level": 20000.0}, UsageError, "grey levels, not 2e"),
        ({"source": "dark:1"}, PriorError, "1 channel"),
        ({"source": "bright:1"}, UsageError, "bright"),
    ],
)
def test_what_cannot_be_translated_is_said(known, options, error, said):
    with pytest.raises(error, match=said):
        Restorer(White(3))("translate", np.full((8, 8, 3), (9, 5, 2), np.uint8), **options)


def test_a_bridge_runs_on_batches():
    from restore.guidance import nothing_measured
    from restore.sampling.noise import Noise

    both = torch.rand(1, 1, 4, 4) - 0.5
    started = Bridge(2.0, source=White(1)).start(
        nothing_measured((3, 1, 4, 4), start=both), torch.tensor(2.0), Noise([0, 1, 2])
    )
    assert started.shape == (3, 1, 4, 4)
