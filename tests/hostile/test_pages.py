"""Files whose later pages or frames are unlike their first one."""

import resource
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_damaged_files import smooth
from tiffs import Page, deep, tiff_of

from restore import images
from restore.errors import PictureError
from restore.images.frames import Timing
from restore.images.reading import decode


@contextmanager
def limited_memory() -> Iterator[None]:
    """Inside, 2 GB more than what is taken."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + 2 * 10**9, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def animated(disposal: int, which: int, size: tuple[int, int]) -> bytes:
    """A GIF of two frames, one of which says to have another size."""
    frames = [Image.new("P", (16, 12), shade) for shade in (0, 9)]
    file = BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], disposal=disposal)
    data = bytearray(file.getvalue())
    descriptor = b"," + struct.pack("<HHHH", 0, 0, 16, 12)
    at = data.index(descriptor) if which == 1 else data.rindex(descriptor)
    data[at + 5 : at + 9] = struct.pack("<HH", *size)
    return bytes(data)


@pytest.mark.parametrize("which", [1, 2])
@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_a_frame_cannot_enlarge_a_gif_beyond_what_is_allowed(disposal: int, which: int) -> None:
    data = animated(disposal, which, (60000, 60000))
    with limited_memory(), pytest.raises(PictureError, match="megapixels"):
        decode(data, "a.gif", page=2)
    with limited_memory(), pytest.raises(PictureError, match="megapixels"):
        Timing.of(data, "a.gif")


def test_every_page_has_its_own_depth_and_size() -> None:
    pages = [smooth(40, 51), deep(1), smooth(300, 200, 1)]
    data = tiff_of([Page(samples) for samples in pages])
    for number, samples in enumerate(pages, 1):
        assert np.array_equal(decode(data, "a.tif", page=number).samples(), samples)
    with images.limited(50_000), pytest.raises(PictureError, match=r"200x300 is 0\.06 megapixels"):
        decode(data, "a.tif", page=3)
