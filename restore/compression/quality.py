"""The quality of a JPEG, from its table for luma or from pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from restore.compression.estimation import estimate_compression
from restore.images.picture import Picture
from restore.operators.jpeg import tables

BEYOND = 1.3  # Times the error of compression from where on noise is more than that.
COARSE, COMPRESSED = 75, 8.5  # Up to this quality a JPEG of a clean picture passes for noise of up to so many grey levels.


def quality_of(picture: Picture) -> int | None:
    """The quality, 1 to 100, of the JPEG that a picture was; None if it shows no sign of it."""
    if picture.jpeg is not None:
        return nearest_quality(picture.jpeg.tables[0])
    found = estimate_compression(picture.pixels) if picture.kind in ("gray", "colour") else None
    return None if found is None else found.quality


def nearest_quality(luma: Sequence[int]) -> int:
    """The quality, 1 to 100, whose table for luma is nearest to one of 64 steps, in any order."""
    wanted = torch.tensor(luma, dtype=torch.float32).sort().values
    away = [float((tables(quality)[0].flatten().float().sort().values - wanted).abs().sum()) for quality in range(1, 101)]
    return int(np.argmin(away)) + 1


def of_compression(quality: int) -> float:
    """The grey levels of noise that a JPEG of a clean picture passes for at most, by its quality, 1 to 100."""
    return max(BEYOND * error_of_compression(quality), COMPRESSED if quality <= COARSE else 0.0)


def error_of_compression(quality: int) -> float:
    """What compression does to a photograph, as a root mean square in grey levels: about 9 at quality 10, 3 at 80."""
    return 0.55 * float(tables(quality)[0].float().mean()) ** 0.5
