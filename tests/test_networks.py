import math

import pytest
import torch
from torch import nn

from restore.networks.noise_conditioning import ScoreNetwork, with_conditioning
from restore.networks.residual_unet import Block, NoiseLevel, ResidualUNet
from restore.networks.unet2d import UNet2D


def network(channels=3, widths=(8, 16, 24), blocks=1, patch=2, seed=0, cascade=False):
    """All weights random: as initialized, the tail is zero and the noise level has no effect."""
    built = ResidualUNet(channels, widths, blocks, patch, cascade=cascade)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in built.parameters():
            fan = parameter[0].numel() if parameter.ndim > 1 else 1
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan**0.5)
    return built.double()


def pictures(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LEVEL = torch.tensor([-0.3, 0.4], dtype=torch.float64)


@pytest.mark.parametrize(("channels", "widths", "patch"), [(3, (8, 16, 24), 2), (1, (8, 16), 1), (3, (8,), 4)])
def test_multiple_of_is_the_size_that_goes_through(channels, widths, patch):
    built = network(channels, widths, patch=patch)
    assert built.multiple_of == patch * 2 ** (len(widths) - 1)
    x = pictures(2, channels, 2 * built.multiple_of, 3 * built.multiple_of)
    assert built(x, LEVEL).shape == x.shape
    if built.multiple_of > 1:
        with pytest.raises(RuntimeError):
            built(x[..., :-1], LEVEL)


def test_twice_the_contrast_in_is_twice_the_contrast_out():
    built, x = network(), pictures(2, 3, 16, 24)
    once = built(x, LEVEL)
    assert once.abs().max() > 0.01
    for factor in (2.0, 0.1, 50.0):
        torch.testing.assert_close(built(factor * x, LEVEL), factor * once, atol=1e-11, rtol=1e-11)
    assert torch.equal(built(0 * x, LEVEL), 0 * x)


def test_pictures_of_a_batch_do_not_meet():
    built, x = network(), pictures(2, 3, 16, 16)
    singles = torch.cat([built(x[i : i + 1], LEVEL[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(built(x, LEVEL), singles, atol=1e-12, rtol=0)


def test_the_level_is_heard():
    built, x = network(), pictures(1, 3, 16, 16)
    low, high = built(x, LEVEL[:1]), built(x, LEVEL[1:])
    assert (low - high).abs().max() > 0.01 * low.abs().max()


def test_blocks_may_differ_from_level_to_level():
    built = ResidualUNet(3, (8, 16, 24), (3, 1, 2))
    assert [len(stage) for stage in built.down_blocks] == [3, 1, 2]
    assert [len(stage) for stage in built.up_blocks] == [1, 3]
    assert ResidualUNet(3, (8, 16, 24), (2, 2, 2)).context == ResidualUNet(3, (8, 16, 24), 2).context
    assert built.context == 2 * 12 + 4 * 4 + 8 * 4 + 4 + 8
    for wrong in ((1, 2), (1, 0, 1), 0):
        with pytest.raises(ValueError, match="blocks"):
            ResidualUNet(3, (8, 16, 24), wrong)


def test_every_parameter_is_used():
    built = network()
    built(pictures(2, 3, 16, 16), LEVEL).square().sum().backward()
    silent = [name for name, parameter in built.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert silent == []


def test_as_built_the_answer_is_zero_and_blocks_are_near_the_identity():
    torch.manual_seed(0)
    assert torch.equal(ResidualUNet(3, (8, 16))(torch.ones(1, 3, 8, 8), torch.zeros(1)), torch.zeros(1, 3, 8, 8))
    x = torch.randn(1, 8, 12, 12)
    moved = Block(8, 4)(x, torch.randn(1, 4)) - x
    assert 0 < moved.std() < 0.5 * x.std()


def test_a_shift_by_the_multiple_shifts_the_answer():
    built = network(widths=(8, 16), blocks=1)
    x = torch.zeros(1, 3, 96, 96, dtype=torch.float64)
    x[..., 40:56, 40:56] = pictures(1, 3, 16, 16)
    step = built.multiple_of
    answer, shifted = built(x, LEVEL[:1]), built(x.roll((step, step), (2, 3)), LEVEL[:1])
    torch.testing.assert_close(shifted, answer.roll((step, step), (2, 3)), atol=1e-12, rtol=0)


def test_levels_are_told_apart_over_the_trained_range():
    features = NoiseLevel(64)
    sigma = torch.logspace(-2.7, 1.9, 200)
    seen = features(sigma.log() / 4)
    assert seen.shape == (200, 64)
    apart = torch.cdist(seen, seen)[~torch.eye(200, dtype=torch.bool)]
    assert apart.min() > 0


# With biases


def with_constants(**words):
    built = ResidualUNet(1, (8, 16), blocks=1, constants=True, **words).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter[0].numel() ** 0.5)
    return built


def test_with_biases_the_output_of_zeros_depends_on_the_position():
    built = with_constants()
    answer = built(torch.zeros(1, 1, 32, 32, dtype=torch.float64), LEVEL[:1])
    assert answer.abs().max() > 0.01
    assert (answer[..., :4, :4] - answer[..., 12:16, 12:16]).abs().max() > 0.01
    assert torch.equal(network(1)(torch.zeros(1, 1, 32, 32, dtype=torch.float64), LEVEL[:1]), torch.zeros_like(answer))


def test_with_biases_every_parameter_has_a_gradient_and_the_initial_output_is_zero():
    built = with_constants(out_channels=2)
    answer = built(pictures(2, 1, 16, 16), LEVEL)
    assert answer.shape == (2, 2, 16, 16)
    answer.square().sum().backward()
    assert [name for name, parameter in built.named_parameters() if not parameter.grad.any()] == []
    fresh = ResidualUNet(1, (8, 16), blocks=1, constants=True)
    assert not fresh(torch.ones(1, 1, 8, 8), torch.zeros(1)).any()


# Noise conditioning


class Recording(nn.Module):
    def __init__(self, conditioning):
        super().__init__()
        self.conditioning = conditioning

    def forward(self, x, noise):
        self.noise = noise
        return 3 * x


def test_c_noise_and_timestep_convert_both_ways():
    levels = torch.tensor([0.002, 1.0, 80.0], dtype=torch.float64).log() / 4
    network = Recording("timestep")
    with_conditioning(network, "c_noise")(torch.zeros(3, 1, 1, 1), levels)
    times = network.noise
    assert 0 < times[0] < times[1] < times[2] < 1000
    back = Recording("c_noise")
    with_conditioning(back, "timestep")(torch.zeros(3, 1, 1, 1), times)
    torch.testing.assert_close(back.noise, levels, atol=1e-12, rtol=0)
    assert with_conditioning(network, "timestep") is network


def test_a_score_is_the_scaled_output_divided_by_sigma():
    network, sigma = Recording("c_noise"), torch.tensor([0.02, 5.0], dtype=torch.float64)
    x = pictures(2, 1, 4, 4)
    answer = ScoreNetwork(network, sigma_data=0.5)(x, sigma)
    torch.testing.assert_close(network.noise, sigma.log() / 4)
    shape = sigma[:, None, None, None]
    torch.testing.assert_close(answer, -3 * x / (shape**2 + 0.25).sqrt() / shape)


# diffusers' U-Net


@pytest.mark.parametrize("patch", [1, 2])
def test_unet2d_takes_multiples_of_its_multiple_and_depends_on_the_timestep(patch):
    torch.manual_seed(0)
    built = UNet2D(1, widths=(8, 16), blocks=1, attention=(1,), patch=patch, out_channels=2)
    assert built.multiple_of == 2 * patch
    x = pictures(2, 1, 4 * patch, 6 * patch).float()
    with torch.no_grad():
        first, second = (built(x, torch.full((2,), time)) for time in (10.0, 900.0))
    assert first.shape == (2, 2, 4 * patch, 6 * patch)
    assert (first - second).abs().max() > 1e-3


def test_a_cascade_is_shown_its_answer_at_half_size():
    built, x = network(cascade=True), pictures(2, 3, 32, 48)
    both = ResidualUNet(6, (8, 16, 24), 1, 2, out_channels=3).double()
    both.load_state_dict(built.state_dict())
    half = nn.functional.avg_pool2d(x, 2)
    coarse = both(torch.cat([half, torch.zeros_like(half)], dim=1), LEVEL - math.log(2) / 4)
    shown = nn.functional.interpolate(coarse, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(built(x, LEVEL), both(torch.cat([x, shown], dim=1), LEVEL), atol=1e-12, rtol=1e-12)
    assert built.multiple_of == 2 * both.multiple_of
    torch.testing.assert_close(built(3 * x, LEVEL), 3 * built(x, LEVEL), atol=1e-9, rtol=1e-9)


def test_a_cascade_sees_its_context_and_no_farther():
    built = network(1, (8, 16), cascade=True)
    side = 2 * (2 * built.context // 2 // built.multiple_of + 2) * built.multiple_of
    x = pictures(1, 1, side, built.multiple_of).requires_grad_()
    middle = side // 2
    built(x, LEVEL[:1])[0, 0, middle].sum().backward()
    reached = x.grad.abs().sum(dim=(0, 1, 3)).nonzero()
    farthest = int((reached - middle).abs().max())
    assert ResidualUNet(1, (8, 16)).context < farthest <= built.context


def test_a_cascade_answers_with_the_channels_of_the_picture():
    with pytest.raises(ValueError, match="answers with the 3 channels"):
        ResidualUNet(3, (8, 16), cascade=True, out_channels=6)
