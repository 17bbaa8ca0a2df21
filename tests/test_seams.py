"""The bundled prior in windows against the whole: the same picture, and no seam."""

import pytest
import torch
from photographs import crop, noisy, photo, psnr

from restore import Restorer
from restore.guidance import PnP
from restore.tiling.layout import overlap_for, shift_at, windows

SIGMA = 25


@pytest.mark.slow
def test_windows_leave_no_seam_and_change_next_to_nothing():
    picture = noisy(crop("astronaut", 0, 0, 512), SIGMA)
    words = {"sigma": SIGMA, "guidance": PnP(), "steps": 4}
    whole = photo()("denoise", picture, **words).image
    tiled = Restorer(photo().prior, placement=photo().placement, tile=256)("denoise", picture, **words).image
    assert psnr(tiled, whole) >= 50

    # Where borders between windows lay in the last step, the picture is no rougher than it is there when it goes through whole.
    context, multiple = photo().prior.context, photo().prior.multiple_of
    level = float(PnP().path(photo().prior, problem_of(picture), 4)[-2])
    found = windows(512, 512, 256, overlap_for(context, 256), multiple=multiple, shift=shift_at(level))
    rows = sorted({int(window.rows.high) for window in found if window.rows.high < 512})
    assert len(rows) == 2
    ratio = gradient(tiled) / gradient(whole)
    assert all(float(ratio[row - 1]) == pytest.approx(float(ratio.median()), rel=0.02) for row in rows)


def gradient(picture):
    """Mean absolute difference between each row and the next."""
    values = torch.from_numpy(picture).float()
    return (values[1:] - values[:-1]).abs().mean(dim=(1, 2))


def problem_of(picture):
    from restore.images import as_picture
    from restore.operators import Identity
    from restore.problem import Problem

    pixels = as_picture(picture).pixels
    return Problem(y=pixels, operator=Identity(), sigma_y=SIGMA / 127.5, shape=tuple(pixels.shape))
