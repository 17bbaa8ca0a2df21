"""Intermediate states of taking JPEG artefacts out (plugins/jpeg.py), on which a denoiser is trained besides Gaussian noise."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.random import Generator as Dice
from PIL import Image
from torch import Tensor

from restore.compression.settings import Settings, settings_of
from restore.images.reading import decode
from restore.operators.jpeg_cells import JPEGCells
from restore.operators.turning import turned, turned_back
from restore.sampling import schedules

QUALITIES = (5, 95)
HALVED = 0.7
"""Share of colour JPEGs whose chroma has half the size, as nearly all programs save them."""
STEPS = {1: 0.1, 8: 0.3, 16: 0.6}
"""Number of steps of a new trajectory -> its probability."""
GRID = 16


class State(Protocol):
    """An unfinished restoration of one picture: the noise levels left (n,), and the denoiser's next input x (1, C, H, W)."""

    @property
    def sigmas(self) -> Tensor: ...

    @property
    def x(self) -> Tensor: ...

    def error(self, x0: Tensor) -> Tensor: ...

    def advance(self, x0: Tensor) -> State: ...


@dataclass(frozen=True)
class CompressedTrajectory:
    """An unfinished restoration of a picture that was compressed.

    A network of strided convolutions sees the grid of blocks at one phase of its own grid where every crop begins with a block.
    Pictures are cut and turned in use, so the denoiser's input is moved around the torus by `shift`, and turned.

    Attributes:
        clean: (1, C, H, W) in [-1, 1], the ground truth.
        cells: in which the coefficients of the original lay.
        settings: of the method.
        sigmas: (n,), the noise levels of the remaining steps.
        state: (1, C, H, W), the picture as the file has it, in its cells.
        shift: (down, right) in pixels.
        orientation: as EXIF numbers them, 1 to 8.
    """

    clean: Tensor
    cells: JPEGCells
    settings: Settings
    sigmas: Tensor
    state: Tensor
    shift: tuple[int, int]
    orientation: int

    @property
    def x(self) -> Tensor:
        return turned(self.state.roll(self.shift, (-2, -1)), self.orientation)

    def error(self, x0: Tensor) -> Tensor:
        """Mean squared error (1,) of the denoiser's output x0."""
        return (self._back(x0) - self.clean).square().mean(dim=(1, 2, 3))

    @torch.no_grad()
    def advance(self, x0: Tensor) -> CompressedTrajectory:
        """The trajectory one step later, given the denoiser's output x0."""
        sigmas = self.sigmas[1:]
        return replace(self, sigmas=sigmas, state=self._in_cells(self._back(x0), sigmas) if len(sigmas) else self.state)

    def _back(self, x0: Tensor) -> Tensor:
        return turned_back(x0, self.orientation).roll((-self.shift[0], -self.shift[1]), (-2, -1))

    def _in_cells(self, x: Tensor, sigmas: Tensor) -> Tensor:
        return self.cells.prox(x, self.settings.weight / sigmas[0] ** 2)


def compressed(clean: Tensor, dice: Dice) -> CompressedTrajectory:
    """A trajectory at its start, of a picture that is compressed by chance.

    Args:
        clean: (1, 1 or 3, H, W) in [-1, 1]; one of equal channels is saved as gray.
    """
    pixels = ((clean[0].permute(1, 2, 0).cpu().numpy() + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
    gray = bool((pixels == pixels[..., :1]).all())
    subsampling = 2 if dice.random() < HALVED else 0
    buffer = io.BytesIO()
    image = Image.fromarray(pixels[..., 0] if gray else pixels)
    image.save(buffer, "JPEG", quality=int(dice.integers(QUALITIES[0], QUALITIES[1] + 1)), subsampling=subsampling)
    picture = decode(buffer.getvalue(), "crop")
    assert picture.jpeg is not None
    whole = picture.jpeg.cells()
    assert whole is not None
    settings = settings_of(whole)
    cells = whole.with_width(settings.width).to(clean.device)
    steps = int(dice.choice(list(STEPS), p=list(STEPS.values())))
    sigmas = schedules.geometric(settings.sigma_start, settings.sigma_end, steps)[:-1].float()
    down, right, orientation = (int(dice.integers(limit)) for limit in (GRID, GRID, 8))
    y = picture.pixels.to(clean).expand_as(clean)
    begun = CompressedTrajectory(clean, cells, settings, sigmas, y, (down, right), orientation + 1)
    return replace(begun, state=begun._in_cells(y, sigmas))
