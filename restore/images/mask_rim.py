"""The rim of a mask: damage that reaches beyond what was marked."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Bool = NDArray[np.bool_]
Floats = NDArray[np.float32]

REACH = 3  # Pixels that a mask may grow by.
FAR = 9  # Steps outwards that are looked at; the last two are the surroundings.
LINES = 60_000  # Lines that are looked at, at most.
EXCESS = 0.015  # Share of the damage's contrast that a rim must hold in the mean.
CERTAIN = 4.0  # Standard errors that it must stand above zero.
CONTRAST = 1.7  # Times that damage differs more from its surroundings than these do among themselves; squared differences.
NEAR = 6.0  # Pixels over which neighbours on a rim decide together.
SHARE = 0.03  # Share of the damage's colour from which a place on a rim belongs to the hole.


def grow_over_rim(fill: Bool, picture: Floats) -> Bool:
    """Adds to a mask the pixels beside it that resemble what lies under it more than what lies outside.

    Along the outward normal of the mask's border, let p_k be the colour k pixels outside, d the colour inside, u the colour far
    outside, and a_k = <p_k - u, d - u> / |d - u|^2 the share of the damage in p_k. A mask that covers its damage leaves a_k at
    0. One that covers none (a picture that is whole, under a mask laid anywhere) has a_k falling evenly from d to u, as nothing
    happens at the border. Damage beyond the border makes a_k convex: large at first, then 0. So ring k joins if the mean of
    a_k - 2 a_(k+1) + a_(k+2) is above zero by more than chance, and by `EXCESS`; in it, places whose share of the damage is
    `SHARE` or more.

    Nothing joins where too few outward lines run clear of other parts of the mask, as with pixels missing at random, and where
    what lies inside differs no more from the outside than the outside differs in itself.

    Args:
        fill: (H, W), true where the mask fills.
        picture: (H, W, C), float32.

    Returns: bool (H, W).
    """
    if not fill.any() or fill.all():
        return fill
    box = _around(fill, 4 * FAR)
    found = fill.copy()
    found[box] |= _rim(fill[box], picture[box])
    return found


def _rim(fill: Bool, picture: Floats) -> Bool:
    """The pixels that join; of a part of the picture that holds all of the mask."""
    nothing = np.zeros_like(fill)
    outside = _distance(~fill)  # Of each pixel outside to the mask.
    lines = _lines(fill, outside, picture)
    if lines is None or not lines.differ():
        return nothing
    rings = 0
    while rings < REACH and lines.leaks(rings + 1):
        rings += 1
    if rings == 0:
        return nothing
    rim = (outside > 0) & (outside <= rings + 0.5)
    share, weight = _shares(fill, outside > rings + 0.5, rim, picture)
    local = _blur(share * weight) / np.maximum(_blur(weight), 1e-12)
    return np.asarray(rim & ((local > SHARE) | (share > 4 * SHARE)))


@dataclass(frozen=True)
class _Lines:
    """Colours along outward lines that run clear of the mask.

    Attributes:
        colours: (N, FAR, C): p_1 to p_FAR.
        inside: (N, C): d.
        tile: (N,), a number for the surroundings of each line; within one, lines are not independent.
    """

    colours: Floats
    inside: Floats
    tile: NDArray[np.int64]

    @property
    def around(self) -> Floats:
        return np.asarray(self.colours[:, -2:].mean(axis=1))

    def differ(self) -> bool:
        """Whether the inside differs from the outside by more than the outside differs in itself at the same distance."""
        across = np.square(self.inside - self.colours[:, 4]).sum()
        along = np.square(self.colours[:, 2] - self.colours[:, 8]).sum()
        return bool(across > CONTRAST * along)

    def leaks(self, ring: int) -> bool:
        """Whether damage reaches into a ring."""
        toward = self.inside - self.around
        share = ((self.colours - self.around[:, None]) * toward[:, None]).sum(axis=2)
        excess = share[:, ring - 1] - 2 * share[:, ring] + share[:, ring + 1]
        sums = np.bincount(self.tile, excess)
        certain = excess.sum() > CERTAIN * np.sqrt(np.square(sums).sum())
        return bool(certain and excess.sum() > EXCESS * np.square(toward).sum())


def _lines(fill: Bool, outside: Floats, picture: Floats) -> _Lines | None:
    """Outward lines from the pixels beside the mask; None if there are too few to judge by."""
    height, width = fill.shape
    smooth = cv2.GaussianBlur(fill.astype(np.float32), (0, 0), 1.5)
    # Only from where a line may run clear, and not from all of a long border: both bound the memory.
    far = cv2.dilate((outside >= 0.75 * FAR - 0.26).astype(np.uint8), np.ones((2 * FAR + 1, 2 * FAR + 1), np.uint8))
    rows, columns = np.nonzero((outside > 0) & (outside < 1.5) & (far > 0))
    every = len(rows) // LINES + 1
    rows, columns = rows[::every], columns[::every]
    down, right = -cv2.Sobel(smooth, cv2.CV_32F, 0, 1)[rows, columns], -cv2.Sobel(smooth, cv2.CV_32F, 1, 0)[rows, columns]
    length = np.hypot(down, right)
    steps = np.array([-3, -2, -1, *range(FAR)], np.float32)
    safe = np.maximum(length, 1e-12)
    y = rows[:, None] + steps * (down / safe)[:, None]
    x = columns[:, None] + steps * (right / safe)[:, None]
    seen = (length > 1e-6) & ((y >= 0) & (y <= height - 1) & (x >= 0) & (x <= width - 1)).all(axis=1)
    y, x = y[seen], x[seen]
    apart = _between(outside, y[:, 3:], x[:, 3:]) >= 0.75 * np.arange(1, FAR + 1) - 0.26
    clear = (apart & (_between(fill.astype(np.float32), y[:, 3:], x[:, 3:]) < 1e-6)).all(axis=1)
    inner_y, inner_x = np.rint(y[:, :3]).astype(int), np.rint(x[:, :3]).astype(int)
    clear &= fill[inner_y[:, 2], inner_x[:, 2]]
    if clear.sum() < 50:
        return None
    y, x, inner_y, inner_x = y[clear], x[clear], inner_y[clear], inner_x[clear]
    deepest = (np.arange(len(y)), _distance(fill)[inner_y, inner_x].argmax(axis=1))
    return _Lines(
        colours=_between(picture, y[:, 3:], x[:, 3:]),
        inside=picture[inner_y[deepest], inner_x[deepest]],
        tile=(y[:, 3].astype(int) // 8) * (width // 8 + 1) + x[:, 3].astype(int) // 8,
    )


def _between(values: Floats, y: Floats, x: Floats) -> Floats:
    """Values (H, W[, C]) between pixels, bilinear; a place that is a pixel gives its value."""
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    bottom, right = np.minimum(top + 1, values.shape[0] - 1), np.minimum(left + 1, values.shape[1] - 1)
    down, over = y - top, x - left
    if values.ndim == 3:
        down, over = down[..., None], over[..., None]
    upper = values[top, left] * (1 - over) + values[top, right] * over
    lower = values[bottom, left] * (1 - over) + values[bottom, right] * over
    return np.asarray(upper * (1 - down) + lower * down, np.float32)


def _shares(fill: Bool, known: Bool, rim: Bool, picture: Floats) -> tuple[Floats, Floats]:
    """The share of the damage in each pixel of the rim, and the squared contrast that it is seen by; zeros elsewhere."""
    inner = _distance(fill)
    core = fill & ((inner >= cv2.dilate(inner, np.ones((5, 5), np.uint8)) - 0.5) | (inner > REACH))
    picture = np.ascontiguousarray(picture)
    inside, around = _mean_near(picture, core), _mean_near(picture, known)
    toward = inside - around
    weight = np.where(rim, np.square(toward).sum(axis=2), 0).astype(np.float32)
    share = ((picture - around) * toward).sum(axis=2) / np.maximum(weight, 1e-6)
    return np.where(rim, share, 0).astype(np.float32), weight


def _mean_near(picture: Floats, where: Bool) -> Floats:
    """Means of what lies near among the pixels chosen, from as near as there are any."""
    found = np.zeros_like(picture)
    missing = np.ones(where.shape, np.float32)
    chosen = where.astype(np.float32)
    for sigma in (1.5, 4.0, 12.0):
        weight = cv2.GaussianBlur(chosen, (0, 0), sigma)
        total = cv2.GaussianBlur(picture * chosen[..., None], (0, 0), sigma).reshape(picture.shape)
        mean = total / np.maximum(weight, 1e-9)[..., None]
        trust = missing * np.minimum(weight / 0.05, 1)
        found += trust[..., None] * mean
        missing -= trust
    return np.asarray(found + missing[..., None] * mean, np.float32)


def _around(where: Bool, margin: int) -> tuple[slice, slice]:
    """The smallest box around the pixels chosen, with a margin."""
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    top, left = max(0, rows[0] - margin), max(0, columns[0] - margin)
    return slice(top, rows[-1] + margin + 1), slice(left, columns[-1] + margin + 1)


def _distance(where: Bool) -> Floats:
    """Of each pixel chosen to the nearest that is not; 0 elsewhere."""
    return np.asarray(cv2.distanceTransform(where.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE))


def _blur(values: Floats) -> Floats:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), NEAR))
