"""Which holes of a picture are filled with patches."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from torch import Tensor

from restore.errors import UsageError
from restore.exemplars.hole import Holes
from restore.exemplars.settings import Settings
from restore.exemplars.wide import widest
from restore.wording import called

logger = logging.getLogger("restore")
WIDE = 0.2  # Of the prior's context: the width from which on holes are filled with patches (docs/reports/holes.md).
CONTEXT = 116  # Of the bundled prior, in pixels.


def chosen_holes(
    y: Tensor, keep: Tensor, fill: str, *, lenders: Sequence[Tensor] = (), asked: Sequence[str] = (), denoised: bool = False
) -> Holes | None:
    """The operator that fills wide holes with patches, or None where all are filled smoothly.

    Args:
        y: the picture (1, C, H, W) with 0 where it is not known.
        keep: what is known, bool (1, 1, H, W).
        fill: "auto" for wide holes, "texture" for all, "smooth" for none.
        lenders: other pictures (1, C, h, w) whose patches may be taken.
        asked: options, as the caller knows them, that make no sense where no patches are taken.
        denoised: whether noise is taken out of the known pixels.

    Raises: UsageError for options that contradict each other.
    """
    if fill == "smooth":
        if asked:
            raise UsageError(f"{asked[0]} lends patches, {called('fill', 'smooth')} takes none; leave one of them out")
        return None
    width, least = widest(~keep[0, 0]), WIDE * CONTEXT if fill == "auto" else 1
    if width < least:
        if asked:
            how = f"holes of up to {width:.0f} pixels are filled smoothly ({called('fill', 'texture')} takes patches)"
            logger.warning("%s lends nothing: %s", asked[0], how)
        return None
    if denoised:
        if fill == "texture" or asked:
            raise UsageError(
                f"patches have the picture's noise, and {called('fill', 'texture')} takes none out; "
                f"leave {called('sigma')} and {called('grain')} out"
            )
        return None
    holes = Holes.of(y, keep, least, lenders)
    if not holes.is_enough(Settings().radius):
        logger.warning("too little of the picture is known to take patches from, so holes are filled smoothly")
        return None
    return holes
