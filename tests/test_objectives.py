import cv2
import numpy as np
import pytest
import torch
from torch import Generator

from restore.errors import PictureError, UsageError
from restore.objectives import EDMObjective
from restore.training.data import Crops, load_crops
from restore.training.synthetic import dead_leaves, drawing, page, random_picture, sky, texture

# The loss


def seeded(seed=0):
    return Generator().manual_seed(seed)


def white(variance, count=4096, channels=3, side=4, seed=1):
    return variance**0.5 * torch.randn(count, channels, side, side, generator=seeded(seed))


def wiener(variance, factor=1.0):
    """The best denoiser of white Gaussian pictures, or one that is off by a factor."""
    return lambda x, sigma: factor * variance / (variance + sigma[:, None, None, None] ** 2) * x


def test_the_best_denoiser_of_white_pictures_costs_one():
    # E|D - x0|^2 = sigma^2 v / (sigma^2 + v) and lambda is its inverse where v = sigma_data^2: 1 at every level.
    objective = EDMObjective(sigma_data=0.5)
    loss = objective.loss(wiener(0.25), white(0.25), seeded())
    # 4096 x 48 squares of unit normals: standard error (2 / 196608)^0.5 = 0.0032.
    assert loss.item() == pytest.approx(1, abs=0.0128)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_any_other_denoiser_costs_more(factor):
    # 1 + (f - 1)^2 v / sigma^2 at each level: E D^2 = v^2 / (v + sigma^2), and the best D is uncorrelated with its error.
    objective, clean = EDMObjective(sigma_data=0.5), white(0.25)
    levels = []

    def denoise(x, sigma):
        levels.append(sigma)
        return wiener(0.25, factor)(x, sigma)

    loss = objective.loss(denoise, clean, seeded()).item()
    best = objective.loss(wiener(0.25), clean, seeded()).item()
    excess = (factor - 1) ** 2 * (0.25 / levels[0] ** 2).mean().item()
    assert loss - best == pytest.approx(excess, rel=0.05)


def test_the_loss_is_the_weighted_error_written_out():
    objective, clean = EDMObjective(sigma_data=0.7), white(0.3, count=5)
    seen = []

    def denoise(x, sigma):
        seen.append((x, sigma))
        return torch.zeros_like(x)

    loss = objective.loss(denoise, clean, seeded())
    ((noisy, sigma),) = seen
    weight = (sigma**2 + 0.49) / (0.7 * sigma) ** 2
    torch.testing.assert_close(loss, (weight * clean.square().flatten(1).mean(dim=1)).mean())
    z = (noisy - clean) / sigma[:, None, None, None]
    assert z.flatten(1).std(dim=1).sub(1).abs().max() < 4 / (2 * 48) ** 0.5


def test_relative_errors_count_by_the_size_they_have():
    # The gradient of f log(1 + L / f) with respect to each crop's answer is the plain loss's, divided by 1 + L / f.
    clean = white(0.3, count=6) * torch.tensor([0.1, 0.2, 0.5, 1.0, 2.0, 3.0])[:, None, None, None]
    found = {}
    for relative in (0.0, 0.02, 1e6):
        answer = torch.zeros_like(clean, requires_grad=True)
        sigmas = []
        loss = EDMObjective(relative=relative).loss(lambda x, s, d=answer, seen=sigmas: seen.append(s) or d, clean, seeded())
        loss.backward()
        found[relative] = loss.item(), answer.grad
    weighted = EDMObjective().weight(sigmas[0]) * clean.square().flatten(1).mean(dim=1)
    assert found[0.02][0] == pytest.approx((0.02 * (1 + weighted / 0.02).log()).mean().item(), rel=1e-5)
    torch.testing.assert_close(found[0.02][1], found[0.0][1] / (1 + weighted / 0.02)[:, None, None, None])
    torch.testing.assert_close(found[1e6][1], found[0.0][1], rtol=1e-4, atol=0)


@pytest.mark.parametrize("factor", [0.97, 1.03])
def test_the_posterior_mean_is_still_best_by_relative_errors(factor):
    # Pictures of two contrasts that D can tell apart, as it can smooth from textured: the best D is Wiener's for each.
    contrast = torch.tensor([0.01, 0.5]).repeat(32)[:, None, None, None]
    clean = contrast.sqrt() * white(1, count=64, side=32)
    objective = EDMObjective(mean=-1.0, std=0.5, spread=0.01, relative=0.02)
    costs = [
        objective.loss(lambda x, s, f=f: f * contrast / (contrast + s[:, None, None, None] ** 2) * x, clean, seeded()).item()
        for f in (1.0, factor)
    ]
    assert costs[0] < costs[1]


def test_levels_follow_the_law_stated():
    objective = EDMObjective(spread=0.25, mean=-1.0, std=0.8)
    drawn = []
    objective.loss(lambda x, sigma: drawn.append(sigma) or x, torch.zeros(40000, 1, 1, 1), seeded())
    log_sigma = drawn[0].log()
    assert log_sigma.exp().min() >= 0.002 * (1 - 1e-6)
    assert log_sigma.exp().max() <= 80 * (1 + 1e-6)
    low, high = np.log(0.002), np.log(80)
    # A mixture: a quarter log-uniform, the rest normal.
    for quantile in (-4.0, -1.0, 0.0, 2.0, 3.5):
        normal = 0.5 * (1 + torch.erf(torch.tensor((quantile + 1.0) / 0.8 / 2**0.5)).item())
        wanted = 0.25 * (quantile - low) / (high - low) + 0.75 * normal
        assert (log_sigma < quantile).float().mean().item() == pytest.approx(wanted, abs=4 * 0.5 / 200)


@pytest.mark.parametrize("spread", [0.0, 0.25, 1.0])
def test_each_level_of_a_small_batch_follows_the_law_by_itself(spread):
    objective = EDMObjective(spread=spread, mean=-1.0, std=0.8)
    drawn = torch.stack([objective.sample_sigma(4, seeded(seed)) for seed in range(4000)]).log()
    low, high = np.log(0.002), np.log(80)
    for quantile in (-4.0, -1.0, 0.0, 2.0):
        normal = 0.5 * (1 + torch.erf(torch.tensor((quantile + 1.0) / 0.8 / 2**0.5)).item())
        wanted = spread * (quantile - low) / (high - low) + (1 - spread) * normal
        # Batches are independent, the four levels of one are not: each place is looked at by itself.
        found = (drawn < quantile).double().mean(dim=0)
        assert (found - wanted).abs().max() < 4 * 0.5 / 4000**0.5


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_levels_of_a_small_batch_are_evenly_spaced_quantiles_of_their_law(spread):
    objective = EDMObjective(spread=spread, mean=-1.0, std=0.8)
    levels = objective.sample_sigma(16, seeded()).double().log()
    low, high = np.log(0.002), np.log(80)
    quantiles = (levels - low) / (high - low) if spread else torch.special.ndtr((levels + 1.0) / 0.8)
    apart = quantiles.sort().values.diff()
    torch.testing.assert_close(apart, torch.full_like(apart, 1 / 16), rtol=0, atol=1e-5)


def test_no_small_batch_has_too_many_low_levels_or_too_few():
    objective = EDMObjective(spread=0.25, mean=-1.0, std=0.8)
    low, high = np.log(0.002), np.log(80)
    for seed in range(100):
        levels = objective.sample_sigma(16, seeded(seed)).log()
        for quantile in (-4.0, -1.5, -1.0, 0.0, 2.0):
            normal = 0.5 * (1 + torch.erf(torch.tensor((quantile + 1.0) / 0.8 / 2**0.5)).item())
            expected = 16 * (0.25 * (quantile - low) / (high - low) + 0.75 * normal)
            # Evenly spaced points: each of the two parts of the law has at most one too many or too few.
            assert abs((levels < quantile).sum().item() - expected) < 2


def test_the_loss_is_a_function_of_the_generator_alone():
    objective, clean = EDMObjective(), white(0.25, count=8)
    torch.manual_seed(1)
    first = objective.loss(wiener(0.25), clean, seeded(3))
    torch.manual_seed(2)
    assert torch.equal(objective.loss(wiener(0.25), clean, seeded(3)), first)
    assert not torch.equal(objective.loss(wiener(0.25), clean, seeded(4)), first)


def test_gray_pictures_of_a_colour_prior_get_gray_noise_and_others_do_not():
    clean = white(0.25, count=3)
    clean[1] = clean[1, :1]
    seen = []
    EDMObjective().loss(lambda x, sigma: seen.append(x) or x, clean, seeded())
    spread = (seen[0] - clean).var(dim=1).flatten(1).amax(dim=1)
    assert spread[1] < 1e-10
    assert spread[0] > 1e-6 < spread[2]


# Crops


def pictures(count=3, height=40, width=50, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(0, 256, (height, width, channels), dtype=np.uint8) for _ in range(count))


def crops(**changes):
    given = {"pictures": pictures(), "weights": np.full(3, 1 / 3), "size": 16}
    return Crops(**(given | changes))


def test_crops_are_a_function_of_seed_step_and_process():
    source = crops(gray=0.3, jitter=0.3)
    first = source.batch(4, seed=7, step=100, process=1)
    np.random.seed(5)
    torch.manual_seed(5)
    source.batch(9, seed=1, step=1)  # What was drawn before does not matter.
    assert torch.equal(crops(gray=0.3, jitter=0.3).batch(4, seed=7, step=100, process=1), first)
    others = [(8, 100, 1), (7, 101, 1), (7, 100, 0), (100, 7, 1), (1, 100, 7)]
    assert not any(torch.equal(source.batch(4, *other), first) for other in others)


def test_crops_are_pixels_of_the_pictures_turned_or_mirrored():
    ramp = np.arange(40 * 50, dtype=np.int64)
    # Red and green tell the place of every pixel.
    picture = np.stack([ramp // 50 * 5, ramp % 50 * 5, np.full_like(ramp, 7)], axis=1).astype(np.uint8).reshape(40, 50, 3)
    batch = crops(pictures=(picture,), weights=np.ones(1)).batch(200, seed=0, step=0)
    assert batch.dtype == torch.float32
    assert batch.shape == (200, 3, 16, 16)
    levels = (batch + 1) * 127.5
    assert (levels - levels.round()).abs().max() < 1e-4
    assert bool((levels[:, 2].round() == 7).all())
    places = (levels[:, :2].round() / 5).long()
    corners, ways = set(), set()
    for place in places:
        top, left = place.flatten(1).amin(dim=1).tolist()
        assert sorted(place.flatten(1).T.tolist()) == [[top + r, left + c] for r in range(16) for c in range(16)]
        corners.add((top, left))
        ways.add((tuple((place[:, 1, 0] - place[:, 0, 0]).tolist()), tuple((place[:, 0, 1] - place[:, 0, 0]).tolist())))
    assert len(ways) == 8  # Four turns, mirrored or not.
    assert {top for top, _ in corners} == set(range(25))
    assert {left for _, left in corners} == set(range(35))


def test_crops_span_the_whole_range():
    extremes = (np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8))
    batch = crops(pictures=extremes, weights=np.array([0.5, 0.5])).batch(20, seed=0, step=0)
    assert set(batch.unique().tolist()) == {-1.0, 1.0}
    jittered = crops(pictures=extremes, weights=np.array([0.5, 0.5]), jitter=1.0).batch(200, seed=0, step=0)
    assert -1 <= jittered.min() <= jittered.max() <= 1


def test_the_share_of_gray_crops_is_the_share_asked_for():
    batch = crops(gray=0.25).batch(1600, seed=0, step=0)
    gray = (batch == batch[:, :1]).flatten(1).all(dim=1)
    assert gray.float().mean().item() == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 1600) ** 0.5)
    assert not (crops().batch(50, 0, 0) == crops().batch(50, 0, 0)[:, :1]).flatten(1).all(dim=1).any()


def test_jitter_scales_channels_by_gains_in_the_range_stated():
    flat = (np.full((16, 16, 3), 150, np.uint8),)
    batch = crops(pictures=flat, weights=np.ones(1), jitter=1.0).batch(300, seed=0, step=0)
    gains = ((batch + 1) / (150 / 127.5)).flatten(2)
    assert (gains.amax(dim=2) - gains.amin(dim=2)).max() < 1e-5
    assert 0.75 <= gains.min() < 0.77
    assert 1.13 < gains.max() <= 1.15 + 1e-6


def test_pictures_are_drawn_by_their_weights():
    flat = tuple(np.full((16, 16, 1), value, np.uint8) for value in (0, 100, 200))
    batch = crops(pictures=flat, weights=np.array([0.6, 0.3, 0.1])).batch(2000, seed=0, step=0)
    shares = [((batch[:, 0, 0, 0] + 1) * 127.5).round().eq(value).float().mean().item() for value in (0, 100, 200)]
    assert shares == pytest.approx([0.6, 0.3, 0.1], abs=4 * 0.5 / 2000**0.5)


@pytest.mark.parametrize("detail", [1, 2, 4])
def test_of_the_windows_looked_at_the_most_detailed_is_kept(detail):
    # Detail falls from left to right, so the least of `detail` even places is kept: 1 / (detail + 1) of the range in the mean.
    noise = np.random.default_rng(0).standard_normal((24, 120, 1)) * np.linspace(60, 0, 120)[None, :, None]
    place = np.broadcast_to(np.arange(120)[None, :, None] * 2, (24, 120, 1))
    shown = np.concatenate([(128 + noise).clip(0, 255), place, place], axis=2).astype(np.uint8)
    source = crops(pictures=(shown,), weights=np.ones(1), detail=detail, flip=False)
    batch = source.batch(600, seed=0, step=0)
    left = ((batch[:, 1, 0, 0] + 1) * 127.5).round() / 2
    # The standard deviation of a uniform place is 0.29 of the range, that of the least of several is less.
    assert (left / 104).mean().item() == pytest.approx(1 / (detail + 1), abs=4 * 0.29 / 600**0.5)


# Sources


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    red = np.zeros((40, 40, 3), np.uint8)
    red[..., 2] = 200  # OpenCV writes BGR.
    cv2.imwrite(str(folder / "red.png"), red)
    cv2.imwrite(str(folder / "deep" / "large.PNG"), np.full((80, 80, 3), 90, np.uint8))
    cv2.imwrite(str(folder / "small.png"), np.full((10, 30, 3), 30, np.uint8))
    (folder / "notes.txt").write_text("no picture")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def test_folders_are_read_with_their_folders_as_rgb(photos, caplog):
    found = load_crops((photos,), size=16)
    assert sorted(picture.shape for picture in found.pictures) == [(40, 40, 3), (80, 80, 3)]
    assert (200, 0, 0) in {tuple(picture[0, 0].tolist()) for picture in found.pictures}
    assert "broken.png" in caplog.text
    # By the square root of the area: 80 to 40.
    assert sorted(found.weights) == pytest.approx([1 / 3, 2 / 3])


def test_single_pictures_are_read(photos):
    found = load_crops((photos / "red.png", photos / "deep"), size=16)
    assert [picture.shape for picture in found.pictures] == [(40, 40, 3), (80, 80, 3)]


def test_pictures_are_kept_at_every_scale_that_is_large_enough(photos):
    found = load_crops((photos,), size=16, scales=(1.0, 0.5, 0.25))
    assert sorted(picture.shape[0] for picture in found.pictures) == [20, 20, 40, 40, 80]
    assert found.weights.sum() == pytest.approx(1)


def test_a_gray_prior_reads_gray(photos):
    found = load_crops((photos,), size=16, channels=1, scales=(1.0, 0.5))
    assert {picture.shape[2] for picture in found.pictures} == {1}
    assert {round(int(picture[0, 0, 0]) / 10) * 10 for picture in found.pictures} == {60, 90}  # 0.299 * 200, cut to 59.


@pytest.mark.parametrize("channels", [1, 3])
def test_procedural_pictures_take_the_share_asked_for(photos, channels):
    found = load_crops((photos,), size=16, channels=channels, procedural=0.2, procedural_count=3)
    assert len(found.pictures) == 2 + 3
    assert found.weights.sum() == pytest.approx(1)
    assert found.weights[2:].sum() == pytest.approx(0.2)
    assert {picture.shape[2] for picture in found.pictures} == {channels}
    again = load_crops((photos,), size=16, channels=channels, procedural=0.2, procedural_count=3)
    assert all(np.array_equal(a, b) for a, b in zip(found.pictures, again.pictures, strict=True))
    assert found.batch(2, seed=0, step=0).shape == (2, channels, 16, 16)


@pytest.mark.parametrize("name", ["a.npz", "a.npy"])
def test_arrays_are_read(tmp_path, name):
    array = np.stack(pictures(4, 20, 20, 1))[..., 0]
    if name.endswith("z"):
        np.savez(tmp_path / name, images=array)
    else:
        np.save(tmp_path / name, array)
    found = load_crops((tmp_path / name,), size=16, channels=1)
    assert np.array_equal(np.stack(found.pictures)[..., 0], array)
    with pytest.raises(PictureError, match=r"\(N, H, W, 3\) uint8"):
        load_crops((tmp_path / name,), size=16, channels=3)


def test_sources_of_no_use_are_refused(tmp_path, photos):
    (tmp_path / "empty").mkdir()
    with pytest.raises(PictureError, match="no pictures in"):
        load_crops((tmp_path / "empty",), size=16)
    with pytest.raises(PictureError, match="give a picture, a folder"):
        load_crops((tmp_path / "nowhere",), size=16)
    with pytest.raises(UsageError, match="smaller than the crop size 100"):
        load_crops((photos,), size=100)
    np.savez(tmp_path / "other.npz", pixels=np.zeros(3))
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    for name in ("other.npz", "text.npy", "objects.npy"):
        with pytest.raises(PictureError, match=name):
            load_crops((tmp_path / name,), size=16)


# Drawn pictures

KINDS = {kind.__name__: kind for kind in (dead_leaves, texture, sky, page, drawing, random_picture)}


@pytest.mark.parametrize("kind", KINDS)
def test_generated_pictures_are_a_function_of_the_generator(kind):
    palette = np.random.default_rng(0).integers(0, 256, (32, 3), dtype=np.uint8)
    first, second, other = (KINDS[kind](np.random.default_rng(seed), palette, size=64) for seed in (1, 1, 2))
    assert first.shape == (64, 64, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", KINDS)
def test_generated_pictures_stay_within_their_palette(kind):
    rng = np.random.default_rng(0)
    for colours in ([[10, 60, 110], [90, 140, 190]], [[120, 120, 120]]):
        palette = np.array(colours, np.uint8)
        pixels = np.stack([KINDS[kind](rng, palette, size=64) for _ in range(6)]).reshape(-1, 3)
        assert (pixels.min(axis=0) >= palette.min(axis=0) - 1).all()
        assert (pixels.max(axis=0) <= palette.max(axis=0) + 1).all()
        assert (np.ptp(pixels, axis=0) > 60).all() == (len(colours) == 2)


def test_skies_have_no_edges_and_pages_have_many():
    rng = np.random.default_rng(0)
    palette = np.random.default_rng(0).integers(0, 256, (256, 3), dtype=np.uint8)
    steps = {}
    for kind in (sky, texture, page, drawing, dead_leaves):
        pictures = np.stack([kind(rng, palette, size=128) for _ in range(20)]).astype(float).mean(axis=-1)
        steps[kind] = np.abs(np.diff(pictures, axis=2))
    # Skies: neighbours differ by less than would show; in the others brightness leaps.
    assert steps[sky].mean() < 2
    assert (steps[sky] > 30).mean() < 0.001
    for kind in (texture, page, drawing, dead_leaves):
        assert (steps[kind] > 30).mean() > 0.01, kind.__name__


def test_every_kind_is_generated():
    from restore.training import synthetic

    palette = np.random.default_rng(0).integers(0, 256, (32, 3), dtype=np.uint8)
    seen = []
    for seed in range(60):
        picture = random_picture(np.random.default_rng(seed), palette, size=32)
        for kind in (dead_leaves, texture, sky, page, drawing):
            rng = np.random.default_rng(seed)
            rng.choice(5, p=synthetic.SHARES)
            if np.array_equal(kind(rng, palette, size=32), picture):
                seen.append(kind.__name__)
    assert len(seen) == 60  # Each is of exactly one kind.
    assert 60 * 0.6 - 4 * 3.8 < seen.count("dead_leaves") < 60 * 0.6 + 4 * 3.8
    assert set(seen) == {"dead_leaves", "texture", "sky", "page", "drawing"}
