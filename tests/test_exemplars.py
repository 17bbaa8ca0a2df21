"""Wide holes: patches of the picture that fill them (restore/exemplars), and the task that uses them."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from photographs import Blurring, Counting, cheap, crop
from PIL import Image
from torch.nn import functional as F

from restore.errors import UsageError
from restore.exemplars import Holes, Settings, fill, wide_holes, widest
from restore.exemplars.canvas import Canvas, distances, patches
from restore.exemplars.copies import copies
from restore.exemplars.search import Field, RandomSearch, exact
from restore.exemplars.start import first_guess, with_guess
from restore.exemplars.texture import with_texture
from restore.exemplars.votes import rim_weights, voted
from restore.operators import Mask

SIDE = 96


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def square(top, left, size, side=SIDE):
    mask = torch.zeros(side, side, dtype=torch.bool)
    mask[max(top, 0) : top + size, max(left, 0) : left + size] = True
    return mask


def periodic(channels=3, period=8, side=SIDE):
    """A texture (C, H, W) that repeats every `period` pixels, without a repetition of its patches inside a period."""
    tile = torch.rand(channels, period, period, generator=seeded()) * 2 - 1
    return tile.repeat(1, side // period, side // period)


def canvas(picture, hole, lenders=()):
    whole = [(lender, torch.ones_like(lender[0], dtype=torch.bool)) for lender in lenders]
    return Canvas.of(picture * ~hole, ~hole, hole, whole)


# What is filled


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("period", [6, 8, 12])
def test_a_periodic_texture_is_continued(period, channels):
    texture, hole = periodic(channels, period), square(36, 40, 24)
    found = fill(texture * ~hole, ~hole, hole)
    assert torch.equal(found[:, ~hole], texture[:, ~hole])
    # Votes are means of the same values, so only rounding is left: of 25 terms of at most 1.
    assert (found - texture).abs().max() <= 25 * 2**-23


@pytest.mark.parametrize(("top", "left"), [(0, 40), (40, 0), (72, 72)])
def test_a_hole_at_the_border_is_filled_whole(top, left):
    texture, hole = periodic() + 2, square(top, left, 24)  # Above 0 everywhere.
    found = fill(texture * ~hole, ~hole, hole)
    assert torch.equal(found[:, ~hole], texture[:, ~hole])
    assert found[:, hole].min() >= texture.min() - 1e-5


def test_what_a_hole_holds_does_not_matter():
    hole = square(36, 36, 24)
    texture = periodic() + 0.1 * torch.rand(3, SIDE, SIDE, generator=seeded(1))
    found = fill(texture, ~hole, hole)
    assert torch.equal(found, fill(texture.where(~hole, torch.tensor(7.0)), ~hole, hole))


def test_every_filled_colour_lies_between_known_ones():
    picture, hole = torch.from_numpy(crop("chelsea", 100, 100, SIDE)).permute(2, 0, 1) / 127.5 - 1, square(30, 30, 32)
    found = fill(picture, ~hole, hole)[:, hole]
    known = picture[:, ~hole]
    assert (found.amin(dim=1) >= known.amin(dim=1) - 1e-5).all()
    assert (found.amax(dim=1) <= known.amax(dim=1) + 1e-5).all()


def test_the_same_seed_fills_alike_and_another_does_not():
    picture, hole = torch.from_numpy(crop("chelsea", 100, 100, SIDE)).permute(2, 0, 1) / 127.5 - 1, square(30, 30, 32)
    settings = Settings(jitter=1.0)
    one, again, other = (fill(picture, ~hole, hole, seed=seed, settings=settings) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert (one - other)[:, hole].abs().mean() > 0.01


def test_another_picture_lends_patches():
    hole, texture = square(3, 3, 93), periodic(side=120) + 2
    known = torch.full((3, SIDE, SIDE), 2.0)
    found = fill(known * ~hole, ~hole, hole, lenders=[texture[:, :, :110]])
    assert torch.equal(found[:, ~hole], known[:, ~hole])
    # Nothing but the lender is known whole, so its colours alone can be there.
    assert found[:, hole].min() >= texture.min() - 1e-5
    assert found[:, hole].max() <= texture.max() + 1e-5
    assert found[:, hole].std() > 0.1


def test_what_is_symmetric_is_filled_with_its_other_half():
    half = torch.rand(3, SIDE, SIDE // 2, generator=seeded())
    picture, hole = torch.cat([half, half.flip(-1)], dim=-1), square(36, 60, 20)
    alone, mirrored = (fill(picture * ~hole, ~hole, hole, settings=Settings(mirrored=one)) for one in (False, True))
    assert (alone - picture).abs().max() > 0.2
    assert (mirrored - picture).abs().max() <= 25 * 2**-23  # Means of 25 equal values.


def test_what_recedes_is_filled_with_what_lies_nearer():
    near = torch.rand(3, 32, 32, generator=seeded())
    near = F.interpolate(near[None], 128, mode="bicubic")[0]
    far = copies(near, torch.ones(128, 128, dtype=torch.bool), mirrored=False, scales=[0.5])[0][0]
    picture = torch.zeros(3, 128, 192)
    picture[:, :, :128], picture[:, 32:96, 128:] = near, far
    hole = torch.zeros(128, 192, dtype=torch.bool)
    hole[52:76, 148:172] = True
    alone, scaled = (fill(picture * ~hole, ~hole, hole, settings=Settings(scales=one)) for one in ((), (0.5,)))
    errors = [float((found - picture)[:, hole].square().mean()) for found in (alone, scaled)]
    assert errors[1] < errors[0] / 10


@pytest.mark.parametrize("scale", [0.5, 0.7, 1.4])
def test_a_copy_is_known_where_nothing_unknown_was_taken(scale):
    picture, hole = torch.rand(1, 80, 90, generator=seeded()), torch.zeros(80, 90, dtype=torch.bool)
    hole[30:45, 40:52] = True
    for mirrored in (False, True):
        one, other = (
            copies(picture.where(~hole, torch.tensor(value)), ~hole, mirrored=mirrored, scales=[scale]) for value in (0.0, 1e4)
        )
        for (pixels, known), (others, _) in zip(one, other, strict=True):
            assert torch.equal(pixels[:, known], others[:, known])
            assert 0.8 < known.float().mean() < 1
    assert copies(picture, ~hole, mirrored=False, scales=[0.1]) == []


def test_copies_of_large_pictures_are_fewer():
    large = torch.zeros(1, 1600, 1800)
    found = copies(large, large[0] == 0, mirrored=False, scales=[1.4, 0.7])
    assert [tuple(known.shape) for _, known in found] == [(1120, 1260)]


def test_too_little_that_is_known_fills_nothing():
    hole = square(3, 3, 93)
    assert fill(periodic(), ~hole, hole) is None


# How it is found


def test_a_canvas_keeps_pictures_apart():
    picture, lender = torch.rand(3, 20, 24), torch.rand(3, 30, 16)
    hole = torch.zeros(20, 24, dtype=torch.bool)
    hole[5:9, 5:9] = True
    found = canvas(picture, hole, [lender])
    sources = found.sources(2)
    cells = patches(found.pixels, sources, 2).view(len(sources), 5, 5, 3)
    whole = {tuple(cell.flatten().tolist()) for one in (picture * ~hole, lender) for cell in _cells(one)}
    assert all(tuple(cell.flatten().tolist()) in whole for cell in cells)
    holed = [(r, c) for r in range(2, 18) for c in range(2, 22) if bool(hole[r - 2 : r + 3, c - 2 : c + 3].any())]
    assert found.targets(2).tolist() == [r * 24 + c for r, c in holed]
    assert len(sources) == 16 * 20 - len(holed) + 26 * 12


def _cells(picture):
    _, height, width = picture.shape
    return [picture[:, r : r + 5, c : c + 5].permute(1, 2, 0).contiguous() for r in range(height - 4) for c in range(width - 4)]


def test_exact_search_finds_the_least_of_all_distances():
    picture, hole = torch.rand(3, 28, 28, generator=seeded()) * 2 - 1, square(10, 10, 6, 28)
    place = canvas(picture, hole).guessed()
    targets, sources = place.targets(2), place.sources(2)
    found = exact(place, targets, sources, 2)
    every = torch.cdist(patches(place.pixels, targets, 2).double(), patches(place.pixels, sources, 2).double()) ** 2
    torch.testing.assert_close(found.distance.double(), every.min(dim=1).values, rtol=1e-5, atol=1e-5)
    assert torch.equal(found.distance, distances(place.pixels, targets, found.sources, 2))


def test_a_penalty_turns_the_search_away():
    picture, hole = torch.rand(3, 28, 28, generator=seeded()) * 2 - 1, square(10, 10, 6, 28)
    place = canvas(picture, hole).guessed()
    targets, sources = place.targets(2), place.sources(2)
    first = exact(place, targets, sources, 2).sources
    found = exact(place, targets, sources, 2, torch.isin(sources, first) * 1e6)
    assert not torch.isin(found.sources, first).any()


def test_random_search_comes_close_to_the_exact_one():
    picture = torch.from_numpy(crop("chelsea", 100, 100, SIDE)).permute(2, 0, 1) / 127.5 - 1
    hole = square(30, 30, 24)
    place = canvas(picture, hole).guessed()
    targets, sources = place.targets(2), place.sources(2)
    wanted = exact(place, targets, sources, 2)
    valid = torch.zeros(place.known.numel(), dtype=torch.bool)
    valid[sources] = True
    drawn = sources[torch.randint(len(sources), (len(targets),), generator=seeded())]
    start = Field(targets, drawn, distances(place.pixels, targets, drawn, 2))
    found = RandomSearch(rounds=12)(place, start, valid, 2, seeded())
    assert valid[found.sources].all()
    assert (found.distance >= wanted.distance - 1e-4).all()
    assert (found.distance <= start.distance).all()
    # The distance, not its square, ends some per cent above the least; a random start is many times above it.
    assert found.distance.sqrt().mean() <= 1.15 * wanted.distance.sqrt().mean()
    assert start.distance.sqrt().mean() > 3 * wanted.distance.sqrt().mean()


def test_votes_are_the_weighted_mean_written_out():
    picture, hole = torch.rand(1, 24, 24, generator=seeded()) * 2 - 1, square(9, 9, 5, 24)
    place = canvas(picture, hole).guessed()
    targets, sources = place.targets(2), place.sources(2)
    field, rim = exact(place, targets, sources, 2), rim_weights(place, 1.5)
    found = voted(place, field, rim, 2).pixels[..., 0]
    scale = torch.quantile(field.distance, 0.75)
    values, weights = torch.zeros(24, 24), torch.zeros(24, 24)
    for target, source, distance in zip(targets.tolist(), field.sources.tolist(), field.distance, strict=True):
        weight = torch.exp(-distance / (2 * scale)) * rim[target]
        for down in range(-2, 3):
            for right in range(-2, 3):
                row, column = target // 24 + down, target % 24 + right
                values[row, column] += weight * place.pixels[source // 24 + down, source % 24 + right, 0]
                weights[row, column] += weight
    torch.testing.assert_close(found[hole], (values / weights)[hole])
    assert torch.equal(found[~hole], place.pixels[..., 0][~hole])


def test_rim_weights_fall_with_the_distance_to_what_is_known():
    hole = square(8, 8, 5, 24)
    weights = rim_weights(canvas(torch.rand(1, 24, 24), hole), 2.0).view(24, 24)
    assert (weights[~hole] == 1).all()
    assert weights[10, 10] == 2.0**-3
    assert weights[8, 10] == 2.0**-1


def test_texture_is_the_mean_difference_of_known_neighbours():
    picture = torch.zeros(2, 12, 12)
    picture[0, :, ::2] = 0.5  # Stripes that change by 0.5 across, in one colour of two.
    known = torch.ones(12, 12, dtype=torch.bool)
    known[:, 7:] = False
    found = with_texture(picture.where(known, torch.tensor(9.0)), known, 4.0)
    assert torch.equal(found[:2, known], picture[:, known])
    torch.testing.assert_close(found[2, :, :6], torch.full((12, 6), 4 * 0.25))
    assert (found[3, :, :6] == 0).all()
    turned = with_texture(picture.mT.where(known.mT, torch.tensor(9.0)), known.mT, 4.0)
    torch.testing.assert_close(turned, found[[0, 1, 3, 2]].mT)


def test_texture_is_not_taken_for_a_plain_area_of_its_mean_colour():
    side = torch.arange(SIDE)
    picture = (((side[:, None] + side) % 2) * 0.8 - 0.4).expand(3, -1, -1).clone()
    picture[:, :, :40] = 0  # At half the size all of it is 0.
    hole = square(32, 52, 28)
    found = fill(picture * ~hole, ~hole, hole)
    torch.testing.assert_close(found, picture, atol=1e-4, rtol=0)


def test_an_edge_is_carried_on_straight_across_a_hole():
    down, right = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    bright = (right + down < SIDE).float()
    picture = bright - 0.5 + 0.2 * torch.rand(3, SIDE, SIDE, generator=seeded())
    hole = square(26, 26, 44)
    found = fill(picture * ~hole, ~hole, hole, settings=Settings(scales=()))
    right_side = ((found.mean(dim=0) > 0.1) == (bright > 0))[hole]
    assert right_side.float().mean() > 0.99  # From a smooth start, which rounds the edge off, 0.98.


@pytest.mark.parametrize("channels", [1, 3])
def test_a_first_guess_keeps_what_is_known_and_is_reduced_by_means(channels):
    picture, hole = periodic(channels), square(30, 40, 24)
    guess = first_guess(picture.where(~hole, torch.tensor(9.0)), ~hole)
    assert torch.equal(guess[:, ~hole], picture[:, ~hole])
    assert guess[:, hole].abs().max() <= 1 + 1e-6
    levels = ((picture + 1) * 127.5).round().permute(1, 2, 0).numpy().astype(np.uint8)
    telea = cv2.inpaint(np.ascontiguousarray(levels), hole.numpy().astype(np.uint8), 3, cv2.INPAINT_TELEA)
    telea = torch.from_numpy(telea.reshape(SIDE, SIDE, channels)).permute(2, 0, 1) / 127.5 - 1
    assert (guess - telea)[:, hole].abs().max() <= 1e-6
    half = canvas(picture, hole).halved()
    placed = with_guess(half, guess).pixels[..., :channels].permute(2, 0, 1)
    assert torch.equal(placed[:, half.wanted], F.avg_pool2d(guess[None], 2)[0][:, half.wanted])
    assert torch.equal(placed[:, ~half.wanted], half.pixels.permute(2, 0, 1)[:, ~half.wanted])


# Which holes are wide


def test_the_widest_disc_of_a_hole():
    disc = np.zeros((80, 80), np.uint8)
    cv2.circle(disc, (40, 40), 15, 1, -1)
    assert abs(widest(torch.from_numpy(disc) > 0) - 31) <= 2
    assert widest(torch.zeros(20, 20, dtype=torch.bool)) == 0
    assert widest(square(30, 10, 9) | square(30, 50, 3)) == 10
    assert widest(torch.ones(20, 30, dtype=torch.bool)) == 30


def test_thin_parts_of_a_hole_stay_thin():
    hole = square(30, 30, 30)
    hole[44:48, 5:94] = True  # An arm on both sides.
    wide = wide_holes(hole, 20)
    assert wide[30:60, 30:60].all()
    assert not wide[44:48, 5:9].any()
    assert not wide[~hole].any()
    assert not wide_holes(hole, 40).any()


def test_a_window_takes_patches_from_outside_of_it():
    texture, hole = periodic(), square(36, 36, 24)
    known = (~hole)[None, None]
    y = texture[None] * known
    whole = Holes.of(y, known, 10)
    part = whole.crop((34, 62, 34, 62))
    assert isinstance(part, Holes)
    assert isinstance(part, Mask)
    found = part.filled(y[..., 34:62, 34:62], 0, Settings())
    assert (found[0] - texture[:, 34:62, 34:62]).abs().max() <= 25 * 2**-23
    inner = part.crop((1, 20, 2, 20))
    assert inner.box == (35, 54, 36, 54)


def test_the_rim_of_a_wide_hole_is_left_to_the_prior():
    hole = square(36, 36, 24)
    holes = Holes.of(torch.zeros(1, 1, SIDE, SIDE), (~hole)[None, None], 10)
    left = ~holes.without_wide(4.0).keep[0, 0]
    assert torch.equal(left, hole & ~square(40, 40, 16))
    assert not holes.has_thin
    assert Holes.of(torch.zeros(1, 1, SIDE, SIDE), ~(hole | square(5, 5, 3))[None, None], 10).has_thin


# The task


def photograph(side=SIDE):
    return crop("chelsea", 100, 100, side)


WIDE = square(30, 30, 32).numpy()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_known_pixels_stay_and_holes_are_filled(channels, dtype):
    colours = photograph()[..., : 1 if channels < 3 else 3]
    given = colours.astype(dtype) * (257 if dtype == np.uint16 else 1)
    if channels in (2, 4):
        given = np.dstack([given, np.full((SIDE, SIDE), np.iinfo(dtype).max, dtype)])
    result = cheap(Blurring())("inpaint", given, mask=WIDE)
    assert result.record["guidance"] == "Exemplars"
    assert result.record["found"] == {"fill": "texture", "widest": 32.0}
    assert result.image.dtype == dtype
    assert np.array_equal(result.image[~WIDE], given[~WIDE])
    smooth = cheap(Blurring())("inpaint", given, mask=WIDE, fill="smooth").image
    assert result.image[WIDE][:, 0].std() > 1.2 * smooth[WIDE][:, 0].std()


def scratched():
    mask = np.zeros((SIDE, SIDE), bool)
    mask[10:80, 20:28] = mask[50:53, 5:90] = True
    return mask


@pytest.mark.parametrize(
    "make", [scratched, lambda: np.random.default_rng(0).random((SIDE, SIDE)) < 0.8], ids=["thin", "random"]
)
def test_thin_holes_are_filled_as_without_patches(make):
    given, mask = photograph(), make()
    auto, smooth = (cheap(Blurring())("inpaint", given, mask=mask, fill=how, mask_grow=0) for how in ("auto", "smooth"))
    assert auto.record["guidance"] == smooth.record["guidance"] == "PnP"
    assert np.array_equal(auto.image, smooth.image)


def test_patches_may_be_asked_for_in_thin_holes():
    given, mask = photograph(), scratched()
    texture = cheap(Blurring())("inpaint", given, mask=mask, fill="texture", mask_grow=0)
    assert texture.record["guidance"] == "Exemplars"
    assert np.array_equal(texture.image[~mask], given[~mask])


def test_thin_holes_beside_wide_ones_take_all_steps():
    given, both = photograph(), WIDE | scratched()
    counted = Counting(Blurring())
    cheap(counted)("inpaint", given, mask=WIDE, mask_grow=0)
    alone = counted.calls
    cheap(counted)("inpaint", given, mask=both, mask_grow=0)
    assert (alone, counted.calls - alone) == (10, 24)


def test_samples_are_fills_that_differ_and_the_answer_is_one_of_them():
    result = cheap(Blurring())("inpaint", photograph(), mask=WIDE, samples=4)
    assert result.answer == "sample"
    hole = torch.from_numpy(WIDE)
    for one in range(4):
        assert torch.equal(result.samples[one][:, ~hole], result.samples[0][:, ~hole])
        for other in range(one):
            assert (result.samples[one] - result.samples[other])[:, hole].abs().mean() > 0.01
    assert torch.equal(result.x, result.samples[:1].clamp(-1, 1))
    again = cheap(Blurring())("inpaint", photograph(), mask=WIDE, samples=4, seed=1)
    assert not torch.equal(again.samples, result.samples)


def test_the_same_call_fills_the_same_bytes():
    one, other = (cheap(Blurring())("inpaint", photograph(), mask=WIDE).image for _ in range(2))
    assert np.array_equal(one, other)


def test_a_named_method_takes_no_patches():
    named = cheap(Blurring())("inpaint", photograph(), mask=WIDE, guidance="pnp", sigma=0)
    smooth = cheap(Blurring())("inpaint", photograph(), mask=WIDE, guidance="pnp", fill="smooth", sigma=0)
    assert np.array_equal(named.image, smooth.image)


def test_a_picture_that_is_nearly_all_hole_is_filled_smoothly_and_says_so(caplog):
    mask = np.ones((SIDE, SIDE), bool)
    mask[:3] = False
    with caplog.at_level(logging.INFO, logger="restore"):
        result = cheap(Blurring())("inpaint", photograph(), mask=mask)
    assert "too little of the picture is known to take patches from, so holes are filled smoothly" in caplog.text
    assert (result.record["guidance"], result.record["found"]["fill"]) == ("PnP", "smooth")


def test_what_was_taken_is_said_in_one_line(caplog):
    with caplog.at_level(logging.INFO, logger="restore"):
        cheap(Blurring())("inpaint", photograph(), mask=WIDE)
    assert caplog.text.count("holes of up to 32 pixels are filled with patches of the picture (fill='smooth' takes none)") == 1


def test_a_lender_changes_the_fill_and_a_gray_one_may_lend():
    given, lender = photograph(), crop("chelsea", 100, 250)
    alone = cheap(Blurring())("inpaint", given, mask=WIDE).image
    for like in (lender, [lender], [Image.fromarray(lender).convert("L"), lender]):
        found = cheap(Blurring())("inpaint", given, mask=WIDE, like=like).image
        assert np.array_equal(found[~WIDE], given[~WIDE])
        assert not np.array_equal(found, alone)


@pytest.mark.parametrize("word", ["fill_mirror", "fill_scale"])
def test_copies_change_the_fill_and_the_plan_counts_them(word):
    restorer, given = cheap(Blurring()), photograph()
    alone, found = (restorer("inpaint", given, mask=WIDE, **{"fill_scale": False, word: on}) for on in (False, True))
    assert np.array_equal(found.image[~WIDE], given[~WIDE])
    assert not np.array_equal(found.image, alone.image)
    assert found.record["options"][word] is True
    known = ~square(40, 40, 80, 256)[None, None]
    holes = Holes.of(torch.zeros(1, 3, 256, 256), known, 10)
    plain, more = Settings(scales=()), Settings(mirrored=True, scales=()) if word == "fill_mirror" else Settings()
    assert holes.cost(more).bytes > holes.cost(plain).bytes + 10_000_000


def test_who_asks_for_patches_where_none_are_taken_is_told(caplog):
    thin = np.zeros_like(WIDE)
    thin[30:38, 10:80] = 255
    cheap(Blurring())("inpaint", photograph(), mask=thin, fill_mirror=True)
    assert "fill_mirror=True lends nothing: holes of up to 8 pixels are filled smoothly (fill='texture' takes" in caplog.text


def test_words_that_contradict_each_other_are_refused():
    for words, said in (
        ({"fill": "smooth", "like": photograph()}, "like lends patches"),
        ({"strength": 0.5, "fill_mirror": True}, "strength below 1 repaints what is there.*leave fill_mirror=True out"),
        ({"strength": 0.5, "fill": "texture"}, "leave fill='texture' out"),
        ({"fill": "smooth", "fill_mirror": True}, "fill_mirror=True lends patches"),
        ({"fill": "texture", "sigma": 10}, "patches have the picture's noise"),
        ({"fill": "crisp"}, "none of auto, smooth, texture"),
    ):
        with pytest.raises(UsageError, match=said):
            cheap(Blurring())("inpaint", photograph(), mask=WIDE, **words)


@pytest.mark.parametrize("words", [{"like": photograph()}, {"fill_mirror": True}, {"fill_scale": False}, {"fill": "texture"}])
def test_what_another_method_would_leave_undone_is_refused(words):
    restorer = cheap(Blurring())
    said = f"{next(iter(words))}.* is done by Exemplars, the task's own method, and PnP was chosen"
    with pytest.raises(UsageError, match=said):
        restorer("inpaint", photograph(), mask=WIDE, guidance="pnp", **words)
    assert restorer("inpaint", photograph(), mask=WIDE, guidance="pnp", fill="smooth").record["guidance"] == "PnP"


def test_repainting_is_refused_to_a_method_without_strength():
    restorer = cheap(Blurring())
    with pytest.raises(UsageError, match=r"strength=0\.5 is done by RePaint"):
        restorer("inpaint", photograph(), mask=WIDE, guidance="pnp", strength=0.5)
    assert restorer("inpaint", photograph(), mask=WIDE, guidance="repaint:strength=0.5", strength=0.5).answer == "sample"


def test_a_denoised_picture_is_filled_smoothly_by_itself():
    assert cheap(Blurring())("inpaint", photograph(), mask=WIDE, sigma=10).record["guidance"] == "PnP"


def test_a_plan_does_not_fill(monkeypatch):
    def never(*_, **__):
        raise AssertionError("planning has filled the hole")

    monkeypatch.setattr("restore.exemplars.hole.fill", never)
    restorer = cheap(Blurring())
    one = restorer.estimate("inpaint", photograph(), mask=WIDE)
    many = restorer.estimate("inpaint", photograph(), mask=WIDE, samples=4)
    assert (one.transitions, many.transitions) == (10, 10)
    assert one.seconds > 0
    smooth = restorer.estimate("inpaint", photograph(), mask=WIDE, fill="smooth")
    assert one.evaluations == 10 < smooth.evaluations


def test_the_cost_of_a_fill_follows_the_number_of_patches():
    def cost(size):
        known = ~square(40, 40, size, 256)[None, None]
        return Holes.of(torch.zeros(1, 3, 256, 256), known, 10).cost(Settings())

    assert cost(80).bytes > cost(40).bytes
    known = ~square(40, 40, 80, 256)[None, None]
    holes = Holes.of(torch.zeros(1, 3, 256, 256), known, 10)
    # Times are measured, so only what is far apart is compared.
    assert holes.cost(Settings(rounds=(200,))).seconds > 3 * holes.cost(Settings(rounds=(10,))).seconds
    search = replace(RandomSearch(), rounds=4)
    assert search.candidates(256) == 4 * RandomSearch().candidates(256)


# The command


def files(tmp_path):
    given, mask, like = tmp_path / "img.png", tmp_path / "m.png", tmp_path / "like.png"
    Image.fromarray(photograph()).save(given)
    Image.fromarray(WIDE.astype(np.uint8) * 255).save(mask)
    Image.fromarray(crop("chelsea", 100, 250)).save(like)
    return given, mask, like


def restore(capsys, *words):
    from restore.cli import main

    code = main([*map(str, words)])
    return code, capsys.readouterr()


def test_the_command_lends_records_and_makes_again(tmp_path, capsys):
    given, mask, like = files(tmp_path)
    out, again = tmp_path / "out.png", tmp_path / "again.png"
    words = ("inpaint", given, "--mask", mask, "--like", like, "--like", given, "--record", "-o", out, "--dtype", "float32")
    code, said = restore(capsys, *words)
    assert code == 0, said.err
    assert "are filled with patches of the picture" in said.err
    record = json.loads(Image.open(out).text["restore"])
    assert record["options"]["like"] == [str(like), str(given)]
    assert record["found"]["fill"] == "texture"
    assert restore(capsys, "rerun", out, "-o", again)[0] == 0
    assert np.array_equal(np.asarray(Image.open(out)), np.asarray(Image.open(again)))


def test_a_lender_that_is_not_there_is_one_line_before_anything_runs(tmp_path, capsys):
    given, mask, _ = files(tmp_path)
    code, said = restore(capsys, "inpaint", given, "--mask", mask, "--like", tmp_path / "gone.png")
    assert code == 1
    assert "--like" in said.err
    assert "gone.png: no such file; check the name" in said.err
    assert len(said.err.strip().splitlines()) == 1


def test_inputs_that_lend_are_never_written_over(tmp_path, capsys):
    given, mask, like = files(tmp_path)
    code, said = restore(capsys, "inpaint", given, "--mask", mask, "--like", like, "-o", like, "--overwrite")
    assert code == 2
    assert "is an input" in said.err
