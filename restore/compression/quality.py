"""The quality of a JPEG, from its table for luma or from pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from restore.compression.estimation import estimate_compression
from restore.images.picture import Picture
from restore.operators.jpeg import tables


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
