"""JPEG as the last stage of a degradation: the encoder itself, and the cells that it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from restore.errors import OperatorError

if TYPE_CHECKING:
    from restore.operators.constraint import Constraint


def compressed(x: Tensor, quality: int) -> Tensor:
    """Pictures (B, 1 or 3, H, W) in [-1, 1] after an encoder (4:2:0) and a decoder, 8 bits a sample.

    Not the operator `JPEG`, which takes whole blocks alone.
    """
    import io

    import numpy as np
    from PIL import Image

    check_quality(quality)
    found = []
    for picture in x:
        levels = ((picture.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        data = io.BytesIO()
        Image.fromarray(levels[..., 0] if len(picture) == 1 else levels).save(data, "JPEG", quality=quality, subsampling=2)
        decoded = torch.from_numpy(np.array(Image.open(data)))
        found.append((decoded[None] if decoded.ndim == 2 else decoded.permute(2, 0, 1)).to(x) / 127.5 - 1)
    return torch.stack(found)


def cells_of(y: Tensor, quality: int) -> Constraint:
    """What a decoded picture (1, 1 or 3, H, W) in [-1, 1] says of the coefficients that were rounded."""
    from restore.compression import Compression, cells_of_pixels, settings_of

    check_quality(quality)
    cells = cells_of_pixels(y, Compression(quality, (0, 0), 2))
    return cells.with_width(settings_of(cells).width)


def check_quality(quality: object) -> None:
    """Raises OperatorError unless it is a whole number from 1 to 100."""
    if not (isinstance(quality, int) and 1 <= quality <= 100):
        raise OperatorError(f"JPEG quality is a whole number from 1 to 100, got {quality}")
