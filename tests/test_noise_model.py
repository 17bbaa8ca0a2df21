"""Noise that depends on brightness and is shared by neighbours: its model, proximal points, and whitening."""

import math

import numpy as np
import pytest
import torch
from photographs import crop

from restore import Restorer
from restore.compression import of_compression
from restore.engine import reverse
from restore.errors import PictureError
from restore.guidance import Denoising, PnP, Whitening
from restore.images import as_picture
from restore.noise import model as module
from restore.noise.estimation import estimate_noise
from restore.noise.measure import described, measured, noise_of
from restore.noise.model import NoiseModel, basis
from restore.noise.quiet import quiet_share
from restore.operators import Downsample, Identity, Mask
from restore.options.run_options import RunOptions
from restore.planning.methods import choose_methods
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling.noise import Noise
from restore.sampling.samplers import ddim

SIZE = (6, 8)


def blurred(channels=3, deviation=0.2, width=0.8):
    """A model whose correlation is that of white noise blurred by a Gaussian."""
    offsets = torch.arange(-2, 3, dtype=torch.float64)
    fall = torch.exp(-(offsets**2) / (4 * width**2))
    correlation = (fall[:, None] * fall).expand(channels, 5, 5).clone()
    correlation *= torch.linspace(1.4, 0.6, channels, dtype=torch.float64)[:, None, None] if channels > 1 else 1
    return NoiseModel(torch.tensor([-1.0, 1.0]), deviation * torch.tensor([[0.5, 1.5]] * channels), correlation)


def dense_covariance(model, x):
    """S = D B' R B D of one picture (1, C, H, W), entry by entry from the correlation at each periodic offset."""
    channels, height, width = x.shape[1:]
    places = [(row, column) for row in range(height) for column in range(width)]
    blocks = torch.zeros(channels, len(places), len(places), dtype=torch.float64)
    reach = model.correlation.shape[-1] // 2
    for i, (row, column) in enumerate(places):
        for j, (other_row, other_column) in enumerate(places):
            for down in range(-reach, reach + 1):
                for across in range(-reach, reach + 1):
                    if (row + down - other_row) % height == 0 and (column + across - other_column) % width == 0:
                        blocks[:, i, j] += model.correlation[:, reach + down, reach + across]
    # A negative eigenvalue of the truncated correlation is no variance.
    values, vectors = torch.linalg.eigh(blocks)
    blocks = vectors @ torch.diag_embed(values.clamp_min(0)) @ vectors.mT
    turn = torch.kron(basis(channels).double(), torch.eye(len(places), dtype=torch.float64))
    deviation = model.deviation_at(module.smoothed(x)).flatten()
    return deviation[:, None] * (turn.T @ torch.block_diag(*blocks) @ turn) * deviation


def dense(operator, shape):
    columns = [operator(unit.reshape(shape)).flatten() for unit in torch.eye(math.prod(shape), dtype=torch.float64)]
    return torch.stack(columns, dim=1)


OPERATORS = {
    "identity": Identity(),
    "mask": Mask(torch.arange(48).reshape(1, 1, *SIZE) % 3 > 0),
    "downsample": Downsample(SIZE, 2, "box"),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", OPERATORS)
def test_the_proximal_point_is_that_of_the_covariance(name, channels, monkeypatch):
    monkeypatch.setattr(module, "ITERATIONS", 200)
    monkeypatch.setattr(module, "TOLERANCE", 0.0)
    operator, shape, rho = OPERATORS[name], (1, channels, *SIZE), 30.0
    generator = torch.Generator().manual_seed(0)
    v = torch.rand(shape, generator=generator, dtype=torch.float64) - 0.5
    y = operator(torch.rand(shape, generator=generator, dtype=torch.float64) - 0.5)
    model = blurred(channels)
    covariance, a = dense_covariance(model, operator(v)), dense(operator, shape)
    # x = v + A' (A A' + rho S)^-1 (y - A v) on what was measured, the range of A; it holds where S is singular, too.
    range_ = a @ torch.linalg.pinv(a)
    inner = torch.linalg.pinv(a @ a.T + rho * range_ @ covariance @ range_, hermitian=True) @ (y - operator(v)).flatten()
    expected = v + (a.T @ inner).reshape(shape)
    found = Problem(y=y, operator=operator, sigma_y=0.2, shape=shape, noise=model).prox(v, rho)
    assert torch.allclose(found, expected, atol=1e-6)


def test_white_noise_of_one_level_is_the_model_without_a_model():
    v, y = torch.rand(2, 1, 3, *SIZE).double().unbind(0)
    white = NoiseModel.white(0.3)
    assert white.is_white
    for operator in OPERATORS.values():
        seen = operator(y)
        plain = Problem(y=seen, operator=operator, sigma_y=0.3, shape=(1, 3, *SIZE)).prox(v, 5.0)
        found = Problem(y=seen, operator=operator, sigma_y=0.3, shape=(1, 3, *SIZE), noise=white).prox(v, 5.0)
        assert torch.allclose(found, plain, atol=1e-6)


def test_drawn_noise_has_the_covariance():
    model, x = blurred(), torch.zeros(1, 3, *SIZE, dtype=torch.float64)
    white = torch.randn(40_000, 3, *SIZE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    drawn = model.draw(x.expand_as(white), white).flatten(1)
    expected = dense_covariance(model, x)
    # The standard error of a covariance of n draws is (S_ii S_jj + S_ij^2)^(1/2) / n^(1/2); six of it are never passed.
    error = ((expected.diagonal()[:, None] * expected.diagonal() + expected**2) / len(white)).sqrt()
    assert bool(((drawn.T @ drawn / len(white) - expected).abs() < 6 * error).all())


class Keeping(Prior):
    """Keeps what it is given, and returns it."""

    def __init__(self):
        super().__init__()
        self.given = []

    def denoise(self, x, sigma):
        self.given.append((x, float(sigma[0])))
        return x


def test_a_completed_picture_has_white_noise_of_the_level():
    count, size = 4000, (8, 8)
    model = blurred(deviation=0.2)
    model = NoiseModel(torch.zeros(1), torch.full((3, 1), 0.2), model.correlation)  # Of one level: white exactly.
    clean = torch.zeros(count, 3, *size)
    y = model.draw(clean, torch.randn(clean.shape, generator=torch.Generator().manual_seed(2)))
    problem = Problem(y=y, operator=Identity(), sigma_y=0.2, shape=tuple(clean.shape), noise=model)
    method, prior = Whitening(draws=1), Keeping()
    schedule = torch.tensor([0.2 * float(model.spectrum(size).max()) ** 0.5 * 1.001, 0.0])
    list(reverse(problem, prior, method, ddim(), schedule, Noise(range(count))))
    (given, level), *_ = prior.given
    flat = given.flatten(1).double()
    covariance = flat.T @ flat / count
    assert level == pytest.approx(float(schedule[0]))
    assert bool(((covariance / level**2 - torch.eye(len(covariance))).abs() < 6 * math.sqrt(2 / count)).all())


def test_denoising_is_whitened_where_noise_is_not_white():
    x = torch.zeros(1, 3, 32, 32)

    def chosen(noise):
        problem = Problem(y=x, operator=Identity(), sigma_y=0.2, shape=(1, 3, 32, 32), noise=noise)
        return type(choose_methods(problem, RunOptions())[0][0].guidance)

    assert chosen(None) is Denoising
    assert chosen(NoiseModel.white(0.2)) is Denoising
    assert chosen(blurred()) is Whitening


def test_methods_that_take_noise_for_white_say_so(caplog):
    problem = Problem(y=torch.zeros(1, 3, 32, 32), operator=Identity(), sigma_y=0.2, shape=(1, 3, 32, 32), noise=blurred())
    Denoising().check(problem)
    assert "Denoising takes the noise for white, of 25.5 grey levels" in caplog.text
    caplog.clear()
    for method in (PnP(), Whitening()):
        method.check(problem)
    assert not caplog.text


PHOTO = crop("astronaut", 60, 60, 192)


def noisy(kind, level, seed=0):
    import numpy as np

    from restore.training import damage

    kinds = {"white": damage.white(level), "grain": damage.grain(level, 1.0), "photons": damage.photons(60)}
    return kinds[kind](PHOTO.astype(np.float64), np.random.default_rng(seed))


def pixels(picture):
    return torch.from_numpy(picture.astype("float32") / 127.5 - 1).permute(2, 0, 1)[None]


@pytest.mark.parametrize("level", [5, 15, 30])
def test_white_noise_is_found_to_be_white_and_its_level_within_a_tenth(level):
    found = estimate_noise(pixels(noisy("white", level)))
    assert found.is_uncorrelated
    assert found.root_mean_square(pixels(PHOTO)) * 127.5 == pytest.approx(level, rel=0.1)


def test_grain_is_found_to_be_correlated():
    found = estimate_noise(pixels(noisy("grain", 13)))
    assert not found.is_uncorrelated
    middle = found.correlation.shape[-1] // 2
    # Neighbours of noise blurred by 1 pixel are correlated by exp(-1/4).
    neighbour = found.correlation[:, middle, middle + 1].sum() / found.correlation[:, middle, middle].sum()
    assert 0.4 < float(neighbour) < 1
    assert found.root_mean_square(pixels(PHOTO)) * 127.5 == pytest.approx(13, rel=0.5)


def test_photons_are_found_to_be_more_where_it_is_bright():
    found = estimate_noise(pixels(noisy("photons", 0)))
    # Of 60 electrons at white, the deviation in grey levels is 255 (brightness / 60)^(1/2).
    for level, deviation in zip(found.levels, found.deviation.mean(dim=0), strict=True):
        brightness = (float(level) + 1) / 2
        if brightness > 0.1:
            assert float(deviation) * 127.5 == pytest.approx(255 * math.sqrt(brightness / 60), rel=0.25)


def test_clean_pictures_have_next_to_no_noise():
    found = estimate_noise(pixels(PHOTO))
    assert found is None or found.root_mean_square(pixels(PHOTO)) * 127.5 < 2
    assert estimate_noise(torch.zeros(1, 3, 64, 64)) is None
    assert estimate_noise(torch.zeros(1, 1, 8, 300)) is None


def test_what_is_no_part_of_the_picture_is_left_out():
    given, known = pixels(PHOTO).clone(), torch.ones(1, 1, 192, 192, dtype=torch.bool)
    known[..., 50:90, 50:90] = False
    given[..., 50:90, 50:90] += torch.randn(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    found = estimate_noise(given, known)
    assert found is None or found.root_mean_square(given) * 127.5 < 3
    known[:] = torch.rand(1, 1, 192, 192, generator=torch.Generator().manual_seed(0)) > 0.5
    assert estimate_noise(given, known) is None


def test_a_level_that_is_given_is_white():
    assert noise_of(as_picture(PHOTO), 12.75) == (0.1, None)


def flat_with(model, seed=0, side=96):
    """A flat picture with noise of a model."""
    flat = torch.full((1, len(model.correlation), side, side), 0.1)
    return flat + model.draw(flat, torch.randn(flat.shape, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("law", [NoiseModel.white(0.05), blurred(deviation=0.05), blurred(1, deviation=0.05)])
def test_quiet_windows_have_the_noise_of_the_law_and_no_more(law):
    drawn = flat_with(law)
    assert quiet_share(drawn, law) == pytest.approx(1, abs=0.1)
    assert quiet_share(drawn, law.scaled(3)) == pytest.approx(1 / 3, abs=0.04)


def test_detail_clipping_and_what_is_unknown_do_not_raise_the_bound():
    law = NoiseModel.white(0.05)
    half = flat_with(law) + torch.where(torch.arange(96) < 48, 0.0, 0.4) * flat_with(NoiseModel.white(1.0), 1)
    assert quiet_share(half, law) == pytest.approx(1, abs=0.15)
    assert quiet_share(torch.linspace(-0.9, 0.9, 96).expand(1, 3, 96, 96), law) < 1e-6
    known = (torch.arange(96) >= 48).expand(1, 1, 96, 96)
    quiet = flat_with(law) * known
    assert quiet_share(quiet, law) < 0.1 < 0.9 < quiet_share(quiet, law, known)
    assert quiet_share(torch.ones(1, 3, 64, 64), law) == math.inf
    assert quiet_share(torch.zeros(1, 3, 4, 64), law) == math.inf


def test_texture_with_a_quiet_place_is_no_noise_unless_a_jpeg_made_the_place_quiet():
    textured = pixels(noisy("white", 12)).clone()
    textured[..., :96, :96] = 0.1
    free, lossy = measured(textured), measured(textured, lambda: 60)
    assert free.root_mean_square(textured) * 127.5 < 1 < 5 < lossy.root_mean_square(textured) * 127.5


def test_a_coarser_jpeg_passes_for_more_noise():
    assert of_compression(10) > of_compression(60) > of_compression(90) > 0


def test_words_say_only_what_is_not_as_white_noise_is():
    assert described(NoiseModel.white(0.1)) == ""
    assert described(blurred()).startswith(", neighbours correlated by 0.68")
    assert "6.0 in shadows, 18.0 in highlights" in described(blurred(deviation=12 / 127.5))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: NoiseModel(torch.zeros(2), torch.ones(3, 1), torch.ones(3, 1, 1)),
        lambda: NoiseModel(torch.zeros(1), torch.ones(3, 1), torch.ones(3, 2, 1)),
        lambda: NoiseModel(torch.zeros(1), -torch.ones(3, 1), torch.ones(3, 1, 1)),
    ],
)
def test_models_that_are_none(wrong):
    with pytest.raises(PictureError):
        wrong()


def test_part_of_the_noise_stays_where_it_is_wanted():
    restorer = Restorer.from_pretrained("photo", device="cpu", dtype="float32")
    given = noisy("white", 15)[:64, :64]
    whole = restorer("denoise", given).image.astype(float)
    half = restorer("denoise", given, strength=0.5).image.astype(float)
    assert abs(half - (given + whole) / 2).max() <= 1


def test_noise_is_measured_where_a_picture_is_visible():
    from photographs import crop

    from restore.images import as_picture
    from restore.noise.measure import noise_of

    noisy = crop("chelsea", 60, 120, 128) + np.random.default_rng(0).normal(0, 20, (128, 128, 3))
    alpha = np.full((128, 128, 1), 255.0)
    alpha[:30] = 0
    picture = as_picture(np.concatenate([noisy, alpha], axis=2).round().clip(0, 255).astype(np.uint8))
    level, _ = noise_of(picture, "auto")
    assert level * 127.5 == pytest.approx(20, rel=0.1)
