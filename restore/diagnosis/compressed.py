"""How a picture was compressed as JPEG, from its file or its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from restore.compression import (
    Earlier,
    cells_of_pixels,
    earlier_compression,
    error_of_compression,
    estimate_compression,
    nearest_quality,
)
from restore.operators.turning import turned_back

if TYPE_CHECKING:
    from restore.images.picture import Picture

APART = 10  # Of two qualities; an earlier one that is nearer to the last may be found by mistake.


@dataclass(frozen=True)
class Compressed:
    """How a picture was compressed as JPEG.

    Attributes:
        quality: 1 to 100, of the Independent JPEG Group's tables that are nearest.
        estimated: from the pixels, as the picture is no JPEG (any more).
        subsampled: whether chroma is; None if unknown.
        earlier: the compression before, where one shows.
    """

    quality: int
    estimated: bool
    subsampled: bool | None
    earlier: Earlier | None = None

    @property
    def error(self) -> float:
        """What compression did to a photograph, as a root mean square in grey levels: about 9 at quality 10, 3 at 80."""
        return error_of_compression(self.quality)


def compression_of(picture: Picture) -> Compressed | None:
    """The compression that a file tells, or that pixels show; None where neither does."""
    if picture.jpeg is not None:
        cells = picture.jpeg.cells()
        # As the file has it.
        pixels = turned_back(picture.pixels, picture.jpeg.orientation)
        earlier = None if cells is None else earlier_compression(pixels, cells)
        quality = nearest_quality(picture.jpeg.tables[0])
        if earlier is not None and abs(earlier.quality - quality) < APART:
            earlier = None
        return Compressed(quality, False, picture.jpeg.subsampling != 0, earlier)
    if picture.kind not in ("gray", "colour"):
        return None
    found = estimate_compression(picture.pixels)
    if found is None:
        return None
    earlier = earlier_compression(picture.pixels, cells_of_pixels(picture.pixels, found))
    return Compressed(found.quality, True, None if found.subsampling is None else found.subsampling > 0, earlier)
