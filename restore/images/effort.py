"""How long a result will take to write."""

from __future__ import annotations

import time
from pathlib import Path

from restore.images.metadata import Metadata
from restore.images.picture import Picture
from restore.images.quiet import quiet
from restore.images.writing import encoded

ROWS = 256


def seconds_to_write(path: Path, picture: Picture, pixels: int) -> float:
    """Seconds that a result of so many pixels will take to encode in the format of `path`.

    The middle rows of the picture given are encoded, twice, and the faster taken: details take longer than flat areas, noise
    longer than both. 0 where the format cannot hold the picture; `check_target` says so.
    """
    height, width = picture.size
    top = max(0, (height - ROWS) // 2)
    band = picture.with_pixels(picture.pixels[:, :, top : top + ROWS])
    found = []
    for _ in range(2):
        before = time.perf_counter()
        try:
            with quiet():
                encoded(path, band, Metadata(), None)
        except Exception:  # Pillow and OpenCV raise whatever a format provokes.
            return 0.0
        found.append(time.perf_counter() - before)
    return min(found) * pixels / (band.size[0] * width)
