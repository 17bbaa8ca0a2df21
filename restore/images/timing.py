"""Estimate of the time to encode a result."""

from __future__ import annotations

import time
from pathlib import Path

from restore.images.metadata import Metadata
from restore.images.picture import Picture
from restore.images.silence import silent_libraries
from restore.images.writing import encode

ROWS = 256


def seconds_to_write(path: Path, picture: Picture, pixels: int) -> float:
    """Estimated seconds to encode a result in the format of `path`.

    The middle rows of the input are encoded twice, and the faster time is scaled to the number of pixels. The time depends on
    the content, so the input stands for the result.

    Args:
        picture: the input.
        pixels: height times width of the result.

    Returns: 0 if the format cannot hold the picture, for which `check_target` raises an error.
    """
    height, width = picture.size
    top = max(0, (height - ROWS) // 2)
    rows = picture.with_pixels(picture.pixels[:, :, top : top + ROWS])
    times = []
    for _ in range(2):
        before = time.perf_counter()
        try:
            with silent_libraries():
                encode(path, rows, Metadata(), None)
        except Exception:  # Pillow and OpenCV raise errors of many types.
            return 0.0
        times.append(time.perf_counter() - before)
    return min(times) * pixels / (rows.size[0] * width)
