"""Settings of plug-and-play for pictures in JPEG cells."""

from __future__ import annotations

import math
from dataclasses import dataclass

from restore.guidance.pnp import PnP
from restore.operators.jpeg_cells import JPEGCells


@dataclass(frozen=True)
class Settings:
    """Of plug-and-play on a picture in JPEG cells.

    Attributes:
        sigma_start, sigma_end: noise levels, in units of [-1, 1] pictures.
        weight: lambda, of the picture against the middle of the cells.
        steps: transitions.
        width: of the cells, as a share.
    """

    sigma_start: float
    sigma_end: float
    weight: float = 3.0
    steps: int = 16
    width: float = 0.6

    def method(self) -> PnP:
        """Plug-and-play at these settings; the width is one of the cells."""
        return PnP(weight=self.weight, sigma_start=self.sigma_start, sigma_end=self.sigma_end, most=self.steps)


def settings_of(cells: JPEGCells) -> Settings:
    """The settings that came closest to the truth, by how coarse the tables are."""
    coarse = math.sqrt(cells.step)  # 16 at quality 10, 8.5 at 40, 3.5 at 90.
    return Settings(sigma_start=min(0.25, 0.02 * coarse), sigma_end=min(0.03, 0.0024 * coarse))
