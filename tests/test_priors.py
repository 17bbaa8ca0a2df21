from itertools import pairwise

import pytest
import torch
from gaussian import Gaussian
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from restore.errors import PriorError
from restore.priors import DDPM, EDM, GeometricSelfEnsemble, GrayView, PeriodicalSelfEnsemble, Prior
from restore.priors.loaders import folder
from restore.sampling.schedules import geometric
from restore.testing import check_prior
from restore.tiling.tiled import Tiled

CHANNELS, SIDE = 3, 4
BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
ABAR = (1 - BETAS).cumprod(0)
TABLE = ((1 - ABAR) / ABAR).sqrt()


def pictures(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def some_gaussian():
    root = pictures(CHANNELS * SIDE**2, CHANNELS * SIDE**2, seed=5) / 7
    return Gaussian(root @ root.T, mean=0.1, channels=CHANNELS)


TRUTH = some_gaussian()


def closed_form(x, sigma):
    """D by a dense solve, apart from the eigenvectors that `Gaussian` uses."""
    covariance, mean = TRUTH.covariance, TRUTH.mean
    flat = (x.double() - mean).flatten(1)
    rows = [
        covariance @ torch.linalg.solve(covariance + float(level) ** 2 * torch.eye(len(covariance)).double(), row)
        for row, level in zip(flat, sigma.expand(len(x)), strict=True)
    ]
    return torch.stack(rows).reshape(x.shape) + mean


def close(found, x, sigma):
    error = float((found.double() - closed_form(x, sigma)).abs().max())
    # x - sigma eps is a small difference of large numbers at high levels: rounding there is that of x.
    allowed = 1e-12 if x.dtype == torch.float64 else max(1e-5, 2e-7 * float(x.abs().max()))
    assert error <= allowed


BOTH = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


class Preconditioned(nn.Module):
    """The F of EDM whose D is the closed form: F = (D - c_skip x) / c_out."""

    def __init__(self, sigma_data):
        super().__init__()
        self.sigma_data = sigma_data

    def forward(self, scaled, level):
        sigma = (4 * level.double()).exp()[:, None, None, None]
        total = sigma**2 + self.sigma_data**2
        x = scaled.double() * total.sqrt()
        skip, out = self.sigma_data**2 / total, sigma * self.sigma_data / total.sqrt()
        return ((closed_form(x, sigma.flatten()) - skip * x) / out).to(scaled)


@BOTH
@pytest.mark.parametrize("sigma_data", [0.5, 1.3])
@pytest.mark.parametrize("sigma", [0.002, 0.3, 7.0, 80.0])
def test_edm_equals_the_closed_form(sigma, sigma_data, dtype):
    prior = EDM(Preconditioned(sigma_data), channels=CHANNELS, multiple_of=1, sigma_data=sigma_data)
    x = (TRUTH.draw(3, (CHANNELS, SIDE, SIDE)) + sigma * pictures(3, CHANNELS, SIDE, SIDE)).to(dtype)
    level = torch.tensor(sigma, dtype=dtype)
    close(prior(x, level), x, level)


class Trained(nn.Module):
    """The network of a discrete chain whose D is the closed form; between levels, log sigma is linear in time."""

    def __init__(self, prediction, learned_variance=False):
        super().__init__()
        self.prediction, self.learned_variance, self.times = prediction, learned_variance, []

    def forward(self, x_t, time):
        self.times.append(time)
        low = time.double().floor().long().clamp(max=len(TABLE) - 2)
        share = time.double() - low
        sigma = (TABLE[low].log() * (1 - share) + TABLE[low + 1].log() * share).exp()[:, None, None, None]
        alpha, std = 1 / (1 + sigma**2).sqrt(), sigma / (1 + sigma**2).sqrt()
        x0 = closed_form(x_t.double() / alpha, sigma.flatten())
        eps = (x_t.double() - alpha * x0) / std
        answer = {"sample": x0, "epsilon": eps, "v_prediction": alpha * eps - std * x0}[self.prediction].to(x_t)
        return torch.cat([answer, torch.full_like(answer, 1e9)], dim=1) if self.learned_variance else answer


@BOTH
@pytest.mark.parametrize("learned_variance", [False, True], ids=["", "learned_variance"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("time", [0, 1, 400, 999, 0.5, 371.25, 998.75])
def test_ddpm_equals_the_closed_form(time, prediction, learned_variance, dtype):
    low = min(int(time), 998)
    sigma = (TABLE[low].log() * (1 - time + low) + TABLE[low + 1].log() * (time - low)).exp().to(dtype)
    network = Trained(prediction, learned_variance)
    prior = DDPM(network, ABAR, prediction=prediction, channels=CHANNELS)
    x = (TRUTH.draw(3, (CHANNELS, SIDE, SIDE)) + sigma * pictures(3, CHANNELS, SIDE, SIDE)).to(dtype)
    found = prior(x, sigma)
    # In float32 a level between trained ones is known to 6e-8 / (d log sigma / dt) of a step.
    torch.testing.assert_close(network.times[0].double(), torch.full((3,), time).double(), atol=1e-4, rtol=0)
    close(found, x, sigma)


def test_every_trained_level_in_float32_is_asked_at_its_own_whole_time():
    class Time(nn.Module):
        def forward(self, x_t, time):
            return time[:, None, None, None].expand_as(x_t)

    prior = DDPM(Time(), ABAR, prediction="sample", channels=1)
    found = prior(torch.zeros(1000, 1, 1, 1), prior.levels.float()).flatten()
    assert torch.equal(found, torch.arange(999, -1, -1).float())
    held = prior(torch.zeros(2, 1, 1, 1), torch.tensor([1e-4, 1e4])).flatten()
    assert held.tolist() == [0, 999]


def test_ddpm_levels_are_its_range():
    prior = DDPM(nn.Identity(), ABAR)
    assert torch.equal(prior.levels, TABLE.flip(0))
    assert (prior.sigma_min, prior.sigma_max) == (float(TABLE[0]), float(TABLE[-1]))
    with pytest.raises(PriorError, match="velocity"):
        DDPM(nn.Identity(), ABAR, prediction="velocity")


def test_each_picture_has_its_own_level():
    sigma = torch.tensor([0.1, 1.0, 9.0], dtype=torch.float64)
    x = pictures(3, CHANNELS, SIDE, SIDE)
    for prior in (EDM(Preconditioned(0.5), multiple_of=1), DDPM(Trained("epsilon"), ABAR)):
        singles = torch.cat([prior(x[i : i + 1], sigma[i]) for i in range(3)])
        torch.testing.assert_close(prior(x, sigma), singles, atol=1e-13, rtol=0)
        torch.testing.assert_close(prior(x, 1.0)[1], singles[1], atol=1e-13, rtol=0)


class Pointwise(Prior):
    """D = tanh(x) / (1 + sigma): no pixel looks at another."""

    def __init__(self, channels=1, multiple_of=1):
        super().__init__()
        self.channels, self.multiple_of, self.sizes = channels, multiple_of, []

    def denoise(self, x, sigma):
        self.sizes.append(tuple(x.shape[-2:]))
        return x.tanh() / (1 + sigma[:, None, None, None])


@pytest.mark.parametrize("height", range(1, 21))
def test_padding_serves_every_size_and_changes_no_pixel(height):
    for width in range(1, 21):
        prior = Pointwise(multiple_of=8)
        x = pictures(2, 1, height, width)
        sigma = torch.tensor([0.5, 2.0], dtype=torch.float64)
        assert torch.equal(prior(x, sigma), x.tanh() / (1 + sigma[:, None, None, None]))
        assert all(side % 8 == 0 for side in prior.sizes[0])
        assert prior.sizes[0][0] - height < 8 > prior.sizes[0][1] - width


def test_padding_is_by_reflection_where_there_is_enough_to_reflect():
    class Shown(Pointwise):
        def denoise(self, x, sigma):
            self.sizes.append(x)
            return x

    prior = Shown(multiple_of=4)
    prior(torch.arange(6.0).reshape(1, 1, 1, 6).expand(1, 1, 4, 6), 1.0)
    assert prior.sizes[0][0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5, 4, 3]
    prior(torch.arange(2.0).reshape(1, 1, 2, 1).expand(1, 1, 2, 2), 1.0)
    assert prior.sizes[1][0, 0, :, 0].tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (1, 4, 8, 8), (3, 8, 8)])
def test_wrong_channels_are_refused(shape):
    with pytest.raises(PriorError, match=r"\(B, 3, H, W\)"):
        Pointwise(channels=3)(torch.zeros(shape), 1.0)


# GrayView


def test_gray_view_is_the_mean_of_what_the_prior_says_of_three_equal_channels():
    x = pictures(2, 1, SIDE, SIDE)
    sigma = torch.tensor([0.3, 2.0], dtype=torch.float64)
    wanted = closed_form(torch.cat([x, x, x], dim=1), sigma).mean(dim=1, keepdim=True)
    gray = GrayView(TRUTH)
    torch.testing.assert_close(gray(x, sigma), wanted, atol=1e-12, rtol=0)
    assert gray.channels == 1


def test_gray_view_keeps_what_the_prior_is():
    prior = DDPM(nn.Identity(), ABAR, multiple_of=4, context=17)
    gray = GrayView(prior)
    for name in ("multiple_of", "context", "sigma_min", "sigma_max"):
        assert getattr(gray, name) == getattr(prior, name)
    assert torch.equal(gray.levels, prior.levels)
    with pytest.raises(PriorError, match="3 channels, got 1"):
        GrayView(gray)


class Blurred(Pointwise):
    """D = the mean of 3 x 3 pixels: reaches one pixel."""

    def denoise(self, x, sigma):
        return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


# Laws that plugins test theirs with


@pytest.mark.parametrize(
    "prior",
    [
        Pointwise(channels=3, multiple_of=8),
        GrayView(Pointwise(channels=3)),
        Tiled(Pointwise(channels=3), window=6, overlap=2),
        EDM(nn.Conv2d(1, 1, 1), channels=1),
    ],
    ids=["pointwise", "gray", "tiled", "edm"],
)
def test_check_prior_passes_what_is_right(prior):
    if isinstance(prior, EDM):
        prior.network.forward = lambda x, level: x.tanh() * level[:, None, None, None]
    check_prior(prior)


def test_check_prior_catches_one_level_for_all():
    class First(Pointwise):
        def denoise(self, x, sigma):
            return super().denoise(x, sigma[:1].expand(len(x)))

    with pytest.raises(AssertionError, match="picture 1 of a batch"):
        check_prior(First())


# Model folders


CONFIG = {
    "family": "edm",
    "network": {"type": "residual-unet", "channels": 1, "widths": [8, 16], "blocks": 1},
    "prior": {"sigma_data": 0.6, "sigma_max": 50.0},
}


def test_a_saved_prior_comes_back_up_to_half_precision(tmp_path):
    prior = folder.build(CONFIG)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.copy_(pictures(*parameter.shape, dtype=torch.float32).half())
    folder.save(tmp_path, CONFIG, prior, "a card")
    again = folder.load(tmp_path)
    assert (again.sigma_data, again.sigma_max, again.channels, again.multiple_of) == (0.6, 50.0, 1, 4)
    assert not any(parameter.requires_grad for parameter in again.parameters())
    x = pictures(2, 1, 9, 7, dtype=torch.float32)
    # In the same layout, since another one may round otherwise.
    assert torch.equal(again(x, 0.4), folder.channels_last(prior)(x, 0.4))
    assert (tmp_path / "README.md").read_text() == "a card"


@pytest.mark.parametrize(
    ("breaks", "message"),
    [
        (lambda root: (root / "config.json").unlink(), "no config.json"),
        (lambda root: (root / "model.safetensors").write_bytes(b"no"), "cannot be read"),
        (lambda root: (root / "config.json").write_text("{"), "cannot be read"),
        (lambda root: (root / "config.json").write_text('{"family": "edn"}'), "did you mean 'edm'"),
        (
            lambda root: (root / "config.json").write_text('{"family": "edm", "network": {"type": "transformer"}}'),
            "residual-unet",
        ),
        (
            lambda root: (root / "config.json").write_text('{"family": "edm", "network": {"type": "residual-unet"}}'),
            "are missing",
        ),
    ],
)
def test_a_broken_folder_is_refused(tmp_path, breaks, message):
    folder.save(tmp_path, CONFIG, folder.build(CONFIG), "")
    breaks(tmp_path)
    with pytest.raises(PriorError, match=message):
        folder.load(tmp_path)


# PeriodicalSelfEnsemble


class Slanted(Pointwise):
    """An answer that depends on direction: the left neighbour."""

    def denoise(self, x, sigma):
        return x.roll(1, -1)


@given(st.floats(0.003, 70))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_a_turned_prior_answers_one_of_the_eight_symmetries(sigma):
    x = pictures(2, 3, 5, 9)
    answer = PeriodicalSelfEnsemble(Slanted(channels=3))(x, sigma)
    assert any(torch.equal(answer, x.roll(shift, dim)) for shift in (1, -1) for dim in (-1, -2))


def test_a_path_turns_at_nearly_every_level_and_a_symmetric_prior_is_unmoved():
    x = pictures(1, 1, 6, 8)
    levels = geometric(0.5, 0.01, 24)[:-1]
    answers = [PeriodicalSelfEnsemble(Slanted())(x, sigma) for sigma in levels]
    assert sum(not torch.equal(first, second) for first, second in pairwise(answers)) >= 15
    for sigma in levels:
        torch.testing.assert_close(PeriodicalSelfEnsemble(Blurred())(x, sigma), Blurred()(x, sigma), atol=1e-14, rtol=0)


def test_averaged_is_the_mean_over_all_eight_orientations():
    x = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wanted = 0
    for quarters in range(4):
        for mirrored in (False, True):
            turned = torch.rot90(x, quarters, (-2, -1))
            turned = turned.flip(-1) if mirrored else turned
            answer = Slanted(channels=3)(turned, 0.3)
            answer = answer.flip(-1) if mirrored else answer
            wanted = wanted + torch.rot90(answer, -quarters, (-2, -1)) / 8
    torch.testing.assert_close(GeometricSelfEnsemble(Slanted(channels=3))(x, 0.3), wanted, atol=1e-13, rtol=0)
    assert (Slanted(channels=3)(x, 0.3) - wanted).abs().max() > 0.01
    # Whatever the network prefers in one direction, the mean prefers none.
    alike = torch.rot90(GeometricSelfEnsemble(Slanted(channels=3))(torch.rot90(x, 1, (-2, -1)), 0.3), -1, (-2, -1))
    torch.testing.assert_close(alike, wanted, atol=1e-13, rtol=0)
