import numpy as np
import pytest
import restore_features
import torch
from restore_features.activations import components, features, places

from restore import PriorError, PriorView, Restorer, UsageError
from restore.networks.residual_unet import ResidualUNet
from restore.priors import EDM
from restore.testing import check_task


@pytest.fixture
def prior():
    """A tiny network with weights drawn at random."""
    torch.manual_seed(0)
    network = ResidualUNet(channels=3, widths=(8, 16), blocks=1, patch=1)
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=0.2)
    return EDM(network, channels=3, multiple_of=network.multiple_of, context=network.context)


def test_it_is_a_task(prior):
    check_task(restore_features.Features(), prior=prior, level=30.0)


def test_default_features_are_of_the_lowest_resolution(prior):
    x = torch.rand(2, 3, 12, 8) - 0.5
    assert features(prior, x, 0.5).shape == (2, 16, 6, 4)
    assert features(prior, x, 0.5, "network.head").shape == (2, 8, 12, 8)
    assert torch.allclose(features(prior, x, 0.5)[:1], features(prior, x[:1], 0.5), atol=1e-4)
    assert torch.equal(features(PriorView(prior), x, 0.5), features(prior, x, 0.5))
    assert not torch.equal(features(prior, x, 0.5), features(prior, x, 1.5))


def test_places_are_in_the_order_of_the_computation(prior):
    found = places(prior, (16, 16))
    assert [*found][0] == "network.head"  # noqa: RUF015
    assert [*found][-1] == "network"
    assert found["network.down_blocks.1.0"] == (16, 8, 8)
    assert not any(module._forward_hooks for module in prior.modules())


def test_what_has_no_features_is_said(prior, tiny_prior):
    x = torch.zeros(1, 3, 8, 8)
    with pytest.raises(UsageError, match=r"network\.head"):
        features(prior, x, 0.5, "network.nose")
    with pytest.raises(PriorError, match="White has no network"):
        features(tiny_prior, x, 0.5)


def test_components_point_along_the_largest_spread():
    maps = torch.zeros(1, 4, 1, 3)
    maps[0, 2, 0] = torch.tensor([-2.0, 0.0, 2.0])
    maps[0, 1, 0] = torch.tensor([0.5, -1.0, 0.5])
    first, second = components(maps, 2)[0, :, 0]
    assert torch.allclose(first, torch.tensor([-1.0, 0.0, 1.0]), atol=1e-6)
    assert torch.allclose(second, torch.tensor([0.5, -1.0, 0.5]), atol=1e-6)


def test_halves_that_differ_have_two_colours(plugin_manager, prior):
    plugin_manager(restore_features)
    picture = np.full((32, 32, 3), 40, np.uint8)
    picture[:, 16:] = 220
    shown = Restorer(prior)("features", picture, level=0.5).image.astype(float)
    assert shown.shape == picture.shape
    left, right = shown[8:24, 4:12], shown[8:24, 20:28]
    apart = np.abs(left.mean(axis=(0, 1)) - right.mean(axis=(0, 1))).max()
    assert apart > 3 * max(left.std(axis=(0, 1)).max(), right.std(axis=(0, 1)).max())
