"""Whether what looks like noise is what compression did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from restore.compression.cells import constraint_of
from restore.compression.quality import of_compression, quality_of
from restore.compression.settings import settings_of
from restore.noise.model import NoiseModel
from restore.noise.quiet import quiet_share
from restore.operators.jpeg_cells import JPEGCells

if TYPE_CHECKING:
    from restore.images.picture import Picture

FINE = 4.0  # Grey levels: the mean step of a JPEG whose artefacts are too weak to matter.
QUIET = 0.4  # Share of the measured noise from which on noise is in quiet places, too. Chosen on crops of the Kodak suite.


def artefacts_of(picture: Picture, level: float, *, known: Tensor | None = None) -> JPEGCells | None:
    """The cells of a JPEG that was compressed more than it is noisy, as narrow as comes closest to the truth; None for others.

    Noise is everywhere in a picture, and what compression does is where there is detail: quiet places of a JPEG are flat. Where
    noise is as strong as the tables are coarse, it outlasts compression in quiet places, too. What is less than compression
    alone passes for is none in any case, as some pictures have no quiet places.

    Args:
        picture: as a task gets it.
        level: standard deviation of what was measured as noise, in [-1, 1] units.
        known: bool (1, 1, H, W), false at pixels that are no part of the picture; all are if not given.
    """
    cells = constraint_of(picture)
    if cells is None or cells.step <= FINE:
        return None
    more = level * 127.5 >= of_compression(quality_of(picture) or 100)
    white = NoiseModel.white(level, picture.pixels.shape[1])
    if more and quiet_share(picture.pixels, white, known) >= QUIET:
        return None
    return cells.with_width(settings_of(cells).width)
