"""What is known of a picture because it was a JPEG: from its file, or, where that is lost, from its pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.lazy import lazily

if TYPE_CHECKING:
    from restore.compression.artefacts import artefacts_of
    from restore.compression.cells import cells_of_pixels, constraint_of
    from restore.compression.earlier import Earlier, earlier_compression
    from restore.compression.estimation import Compression, estimate_compression
    from restore.compression.quality import error_of_compression, nearest_quality, of_compression, quality_of
    from restore.compression.settings import Settings, settings_of

_HOMES = {
    "Compression": "restore.compression.estimation",
    "Earlier": "restore.compression.earlier",
    "Settings": "restore.compression.settings",
    "artefacts_of": "restore.compression.artefacts",
    "cells_of_pixels": "restore.compression.cells",
    "constraint_of": "restore.compression.cells",
    "earlier_compression": "restore.compression.earlier",
    "estimate_compression": "restore.compression.estimation",
    "error_of_compression": "restore.compression.quality",
    "nearest_quality": "restore.compression.quality",
    "of_compression": "restore.compression.quality",
    "quality_of": "restore.compression.quality",
    "settings_of": "restore.compression.settings",
}
__all__ = [
    "Compression",
    "Earlier",
    "Settings",
    "artefacts_of",
    "cells_of_pixels",
    "constraint_of",
    "earlier_compression",
    "error_of_compression",
    "estimate_compression",
    "nearest_quality",
    "of_compression",
    "quality_of",
    "settings_of",
]

__getattr__ = lazily(__name__, _HOMES)
