"""Restored colours as indices into a palette."""

from __future__ import annotations

import numpy as np
from PIL import Image

from restore.images.samples import Samples, pillow_image

_ENTRIES = 256


def of_picture(samples: Samples, alpha: Samples | None, raw: Samples | None, palette: Samples) -> tuple[Samples, Samples]:
    """Indices of RGB samples (H, W, 3) with alpha (H, W), and their palette; see `indices`."""
    opaque = np.full(samples.shape[:2], 255, np.uint8)
    return indices(np.dstack([samples, opaque if alpha is None else alpha]), raw, palette)


def indices(colours: Samples, raw: Samples | None, palette: Samples) -> tuple[Samples, Samples]:
    """Index colours into a palette, and extend the palette by new colours.

    Unchanged pixels keep their index. Other pixels take the entry of their colour. A new colour gets an entry that no unchanged
    pixel uses. If there are more new colours than such entries, they are quantized, and every pixel takes the nearest entry.

    Args:
        colours: (H, W, 4) uint8 RGBA.
        raw: (H, W), the indices of the file; None if there are none.
        palette: (N, 4) uint8 RGBA, of the file.

    Returns: (H, W) uint8 indices, and the palette they index, (M, 4).
    """
    changed = np.ones(colours.shape[:2], bool) if raw is None else (palette[raw] != colours).any(axis=-1)
    if raw is not None and not changed.any():
        return raw, palette
    packed, positions = np.unique(_as_uint32(colours[changed]), return_inverse=True)
    wanted = packed.view(np.uint8).reshape(-1, 4)
    used = np.zeros(_ENTRIES, bool)
    if raw is not None:
        used[np.unique(raw[~changed])] = True
        used[: len(palette)] |= _are_in(wanted, palette)
    free = np.flatnonzero(~used)
    new = wanted[~_are_in(palette[used[: len(palette)]], wanted)]
    if len(new) > len(free):
        new = _representatives(colours[changed], len(free))
    grown = np.zeros((_ENTRIES, 4), np.uint8)
    grown[:, 3] = 255
    grown[: len(palette)] = palette
    grown[free[: len(new)]] = new
    used[free[: len(new)]] = True
    entries = np.flatnonzero(used)
    result = np.zeros(changed.shape, np.uint8) if raw is None else raw.copy()
    result[changed] = entries[_nearest(wanted, grown[entries])][positions]
    return result, grown[: max(len(palette) if raw is not None else 0, int(entries[-1]) + 1)]


def _are_in(colours: Samples, queries: Samples) -> Samples:
    """For each of `queries`, whether it is one of `colours`; both (N, 4) uint8."""
    return np.isin(_as_uint32(queries), _as_uint32(colours))


def _as_uint32(colours: Samples) -> Samples:
    return np.ascontiguousarray(colours).view(np.uint32).reshape(-1)


def _representatives(colours: Samples, count: int) -> Samples:
    """`colours`, (N, 4) RGBA, quantized to at most `count`."""
    if count == 0:
        return colours[:0]
    if (colours[:, 3] == 255).all():
        image, method = pillow_image("RGB", colours[None, :, :3]), Image.Quantize.MEDIANCUT
    else:  # The only method of Pillow that takes alpha.
        image, method = pillow_image("RGBA", colours[None]), Image.Quantize.FASTOCTREE
    chosen = image.quantize(count, method=method, dither=Image.Dither.NONE).convert("RGBA")
    return np.unique(np.asarray(chosen).reshape(-1, 4), axis=0)[:count]


def _nearest(colours: Samples, palette: Samples) -> Samples:
    """For each of `colours`, (N, 4), the nearest row of `palette`; computed in chunks to bound the memory."""
    rows = palette.astype(np.float32)
    found = [np.zeros(0, np.int64)]
    for start in range(0, len(colours), 65536):
        piece = colours[start : start + 65536].astype(np.float32)
        # |a - b|^2 without |a|^2, which does not depend on the row; exact in float32 at these magnitudes.
        found.append(((rows**2).sum(axis=1) - 2 * piece @ rows.T).argmin(axis=1))
    return np.concatenate(found)
