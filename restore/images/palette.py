"""Restored colours, back into a palette."""

from __future__ import annotations

import numpy as np
from PIL import Image

from restore.images.samples import Samples, image_of

_SLOTS = 256


def indices(colours: Samples, raw: Samples | None, palette: Samples) -> tuple[Samples, Samples]:
    """(H, W) uint8 indices for `colours`, (H, W, 4) uint8 RGBA, and the palette they point into, (N, 4).

    Pixels whose colour is still that of `raw` keep their index. Others take their colour's own slot. A colour without one is
    given a slot that no kept pixel uses; when there are more such colours than slots, the slots go to representatives of them,
    and every pixel takes the nearest.
    """
    changed = np.ones(colours.shape[:2], bool) if raw is None else (palette[raw] != colours).any(axis=-1)
    if raw is not None and not changed.any():
        return raw, palette
    packed, positions = np.unique(_packed(colours[changed]), return_inverse=True)
    wanted = packed.view(np.uint8).reshape(-1, 4)
    used = np.zeros(_SLOTS, bool)
    if raw is not None:
        used[np.unique(raw[~changed])] = True
        used[: len(palette)] |= _contains(wanted, palette)
    free = np.flatnonzero(~used)
    new = wanted[~_contains(palette[used[: len(palette)]], wanted)]
    if len(new) > len(free):
        new = _representatives(colours[changed], len(free))
    grown = np.zeros((_SLOTS, 4), np.uint8)
    grown[:, 3] = 255
    grown[: len(palette)] = palette
    grown[free[: len(new)]] = new
    used[free[: len(new)]] = True
    slots = np.flatnonzero(used)
    result = np.zeros(changed.shape, np.uint8) if raw is None else raw.copy()
    result[changed] = slots[_nearest(wanted, grown[slots])][positions]
    return result, grown[: max(len(palette) if raw is not None else 0, int(slots[-1]) + 1)]


def _contains(colours: Samples, asked: Samples) -> Samples:
    """For each of `asked`, whether it is one of `colours`; both (N, 4) uint8."""
    return np.isin(_packed(asked), _packed(colours))


def _packed(colours: Samples) -> Samples:
    return np.ascontiguousarray(colours).view(np.uint32).reshape(-1)


def _representatives(colours: Samples, count: int) -> Samples:
    """At most `count` colours standing for `colours`, (N, 4) RGBA."""
    if count == 0:
        return colours[:0]
    if (colours[:, 3] == 255).all():
        image, method = image_of("RGB", colours[None, :, :3]), Image.Quantize.MEDIANCUT
    else:  # the only method that takes alpha
        image, method = image_of("RGBA", colours[None]), Image.Quantize.FASTOCTREE
    chosen = image.quantize(count, method=method, dither=Image.Dither.NONE).convert("RGBA")
    return np.unique(np.asarray(chosen).reshape(-1, 4), axis=0)[:count]


def _nearest(colours: Samples, palette: Samples) -> Samples:
    """For each of `colours`, (N, 4), the row of `palette` closest to it; in pieces, to bound the memory."""
    rows = palette.astype(np.float32)
    found = [np.zeros(0, np.int64)]
    for start in range(0, len(colours), 65536):
        piece = colours[start : start + 65536].astype(np.float32)
        # |a - b|^2 without |a|^2, which is the same for every row; exact in float32 at these magnitudes.
        found.append(((rows**2).sum(axis=1) - 2 * piece @ rows.T).argmin(axis=1))
    return np.concatenate(found)
