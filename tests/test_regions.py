"""Which windows of a picture need work."""

from itertools import combinations

import numpy as np
import pytest
import torch

from restore.tiling.layout import windows
from restore.tiling.regions import crop, pixels, regions, window_for


def blobs(height, width, count, seed):
    """bool (1, 1, height, width) with a few rectangles."""
    rng = np.random.default_rng(seed)
    wanted = torch.zeros(1, 1, height, width, dtype=torch.bool)
    for _ in range(count):
        top, left = rng.integers(height), rng.integers(width)
        wanted[..., top : top + rng.integers(1, 20), left : left + rng.integers(1, 40)] = True
    return wanted


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("height", "width"), [(300, 517), (64, 64), (31, 400)])
@pytest.mark.parametrize("context", [1, 32, 70])
def test_boxes_hold_what_is_wanted_and_its_context_and_never_overlap(height, width, context, seed):
    wanted = blobs(height, width, 1 + seed % 5, seed)
    boxes = regions(wanted, context)
    held = torch.zeros(height, width, dtype=torch.int)
    for top, bottom, left, right in boxes:
        assert 0 <= top < bottom <= height
        assert 0 <= left < right <= width
        held[top:bottom, left:right] += 1
    assert held.max() == 1
    for row, column in wanted[0, 0].nonzero()[::7].tolist():
        # All in one box: what a window sees around a hole is all that the network sees.
        assert any(
            top <= max(0, row - context)
            and min(height, row + context + 1) <= bottom
            and left <= max(0, column - context)
            and min(width, column + context + 1) <= right
            for top, bottom, left, right in boxes
        )


def test_far_holes_get_boxes_of_their_own_and_near_ones_share():
    wanted = torch.zeros(1, 1, 640, 640, dtype=torch.bool)
    wanted[..., 100, 100] = wanted[..., 500, 500] = True
    assert regions(wanted, 32) == [(64, 160, 64, 160), (448, 544, 448, 544)]
    wanted[..., 170, 100] = True
    assert regions(wanted, 32) == [(64, 224, 64, 160), (448, 544, 448, 544)]


def test_boxes_that_meet_only_as_boxes_are_joined():
    # A ring and a dot in it: no cell is shared, but the ring's box holds the dot's.
    wanted = torch.zeros(1, 1, 960, 960, dtype=torch.bool)
    wanted[..., 40, 40:900] = wanted[..., 900, 40:900] = wanted[..., 40:900, 40] = wanted[..., 40:900, 900] = True
    wanted[..., 480, 480] = True
    (box,) = regions(wanted, 1)
    assert box == (0, 960, 0, 960)


def test_nothing_wanted_needs_no_box():
    assert regions(torch.zeros(1, 1, 70, 50, dtype=torch.bool), 32) == []


def test_all_wanted_is_the_whole_picture():
    assert regions(torch.ones(1, 1, 70, 50, dtype=torch.bool), 32) == [(0, 70, 0, 50)]


def test_what_fits_goes_through_whole_unless_windows_are_clearly_cheaper():
    assert window_for(1024, 1024, 64, 1024, None) is None
    full = torch.ones(1, 1, 1024, 1024, dtype=torch.bool)
    assert window_for(1024, 1024, 64, 1024, full) is None
    dot = torch.zeros(1, 1, 1024, 1024, dtype=torch.bool)
    dot[..., 100, 100] = True
    side = window_for(1024, 1024, 32, 1024, dot)
    assert side is not None
    assert pixels(windows(1024, 1024, side, 32, wanted=dot)) < 0.1 * 1024**2


def test_small_windows_follow_a_diagonal():
    diagonal = torch.eye(512, dtype=torch.bool)[None, None]
    side = window_for(512, 512, 32, 256, diagonal)
    assert side is not None
    cost = pixels(windows(512, 512, side, 32, wanted=diagonal))
    assert cost < 0.8 * pixels(windows(512, 512, 256, 32, wanted=diagonal))


@pytest.mark.parametrize("size", [(1025, 100), (3000, 2000)])
def test_what_does_not_fit_gets_windows_of_at_most_the_largest_side(size):
    side = window_for(*size, 64, 1024, None)
    assert side is not None
    assert side <= 1024
    boxes = [window.box for window in windows(*size, side, 64)]
    assert all(bottom - top <= side and right - left <= side for top, bottom, left, right in boxes)


def test_crop_is_a_view_of_the_box():
    picture = torch.arange(2 * 3 * 5 * 7).reshape(2, 3, 5, 7)
    part = crop(picture, (1, 4, 2, 6))
    assert part.shape == (2, 3, 3, 4)
    assert part[0, 0, 0, 0] == picture[0, 0, 1, 2]
    part.zero_()
    assert picture[..., 1:4, 2:6].abs().sum() == 0


def test_boxes_of_many_holes_are_disjoint():
    rng = np.random.default_rng(3)
    wanted = torch.from_numpy(rng.random((1, 1, 1500, 1500)) < 1e-5)
    boxes = regions(wanted, 32)
    assert len(boxes) > 3
    for one, other in combinations(boxes, 2):
        assert one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]
