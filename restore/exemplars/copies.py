"""Copies of a picture, mirrored or at other sizes, that lend it patches."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

SCALES = (0.7, 1.4)  # What lies nearer reduced, and what lies farther away enlarged, while it is not too soft.
MOST = 2_000_000  # Pixels of all resized copies together: memory and time grow with them.
SMALLEST = 32  # Side in pixels below which a copy is too small to lend anything.


def copies(picture: Tensor, known: Tensor, *, mirrored: bool, scales: Sequence[float]) -> list[tuple[Tensor, Tensor]]:
    """Pictures (C, h, w) and what is known of them, bool (h, w): one mirrored left to right, and one at each of these sizes.

    What recedes into a picture repeats itself at other sizes, and what is symmetric has its other half mirrored (Barnes et al.
    2010, "The generalized PatchMatch correspondence algorithm"; Darabi et al. 2012, "Image Melding").

    Args:
        picture: (C, H, W).
        known: bool (H, W); a pixel of a copy is known where all that it is made of are.
        scales: factors of the sides, such as 0.7; copies beyond `MOST` pixels together are left out, the largest first.
    """
    found = [(picture.flip(-1), known.flip(-1))] if mirrored else []
    pixels = 0
    for scale in sorted(scales):
        size = [round(side * scale) for side in known.shape]
        pixels += size[0] * size[1]
        if min(size) >= SMALLEST and pixels <= MOST:
            found.append((_resized(picture * known, size), _resized(known[None].float(), size)[0] > 1 - 1e-5))
    return found


def _resized(x: Tensor, size: list[int]) -> Tensor:
    """With a kernel that is nowhere negative, so that 1 of a mask is all known."""
    return F.interpolate(x[None], size, mode="bilinear", antialias=True)[0]
