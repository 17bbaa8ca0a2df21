"""Pictures about results."""

import cv2
import numpy as np
import torch

from restore.results.figures import contact_sheet, heat_map, strip, uncertainty

INFERNO = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[None], cv2.COLORMAP_INFERNO)[0, :, ::-1]


def test_the_map_shows_the_spread_in_grey_levels_up_to_its_top():
    std = torch.zeros(1, 3, 40, 200)
    std[..., 20:, :] = 10 / 127.5
    std[..., 30:, :] = 20 / 127.5
    found = heat_map(std)
    assert found.dtype == np.uint8
    assert found.shape[1:] == (200, 3)
    assert (found[:20] == INFERNO[0]).all()
    assert (found[20:30] == INFERNO[128]).all()
    assert (found[30:40] == INFERNO[255]).all()


def test_the_map_takes_the_root_mean_square_of_channels():
    std = torch.zeros(1, 3, 8, 32)
    std[:, 0, :, :16] = 3**0.5 * 8 / 127.5
    std[:, :, :, 16:] = 8 / 127.5
    found = heat_map(std)[:8]
    assert (found == INFERNO[255]).all()


def test_the_bar_runs_through_all_colours_and_is_labelled():
    found = heat_map(torch.full((1, 1, 30, 300), 5 / 127.5))
    bar = found[31]
    assert np.abs(bar[0].astype(int) - INFERNO[0]).max() == 0
    assert np.abs(bar[-1].astype(int) - INFERNO[255]).max() == 0
    assert (np.diff(bar.astype(int).sum(axis=1)) >= -3).all()
    labels = found[-20:]
    third = labels.shape[1] // 3
    for part in (labels[:, :third], labels[:, third:-third], labels[:, -third:]):
        assert part.max() > 150  # 0, 2.5 and 5.
    assert (labels == 0).mean() > 0.5


def test_no_spread_at_all_is_the_lowest_colour():
    found = heat_map(torch.zeros(1, 3, 5, 40))
    assert (found[:5] == INFERNO[0]).all()


def test_a_picture_narrower_than_its_labels_still_gets_a_map():
    assert heat_map(torch.full((1, 3, 6, 3), 0.1)).shape[1] == 3


def test_a_strip_lays_pictures_side_by_side_on_white():
    small = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    large = np.full((4, 5, 3), 77, np.uint8)
    found = strip(small, large, gap=2)
    assert found.shape == (4, 6 + 2 + 5, 3)
    assert np.array_equal(found[:, :6], small.repeat(2, axis=0).repeat(2, axis=1))
    assert (found[:, 6:8] == 255).all()
    assert (found[:, 8:] == 77).all()
    assert np.array_equal(strip(large), large)


def test_what_was_invented_is_outlined_and_the_rest_untouched():
    picture = np.full((64, 80, 3), 100, np.uint8)
    std = torch.zeros(1, 3, 64, 80)
    std[..., 20:40, 30:60] = 30 / 127.5
    found = uncertainty(picture, std)[:64, :80]
    marked = (found != 100).any(axis=2)
    assert marked[20:40, 30:60].any()
    assert not marked[:15].any()
    assert not marked[45:].any()
    assert not marked[26:34, 36:54].any()  # An outline, not a fill.
    assert not (uncertainty(picture, std, invented=40)[:64, :80] != 100).any()
    assert np.array_equal(uncertainty(picture, std)[:, 88:], heat_map(std))


def test_a_contact_sheet_shows_every_sample_once():
    samples = torch.linspace(-1, 1, 5)[:, None, None, None].expand(5, 1, 10, 20)
    sheet = contact_sheet(samples, gap=2)
    shown = {int(value) for value in np.unique(sheet)}
    assert shown == {0, 64, 128, 191, 255}
    for value in (64, 128, 191):
        assert (sheet == value).sum() == 10 * 20 * 3
