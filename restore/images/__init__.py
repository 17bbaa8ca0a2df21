"""Picture files in and out: what the core restores, apart from what must be put back.

`read` takes a file apart into a `Picture`: pixels for the core, and beside them alpha, depth, kind, metadata and the file's own
samples. The core works on `picture.pixels`; `replace` puts its result in, `write` makes a file of the same kind. What was not
changed comes out as it went in, sample for sample, in every lossless format.

OpenCV reads and writes 16-bit samples, Pillow everything else. Names are imported when
first used: listing files needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.lazy import lazily

if TYPE_CHECKING:
    from restore.images.convert import as_picture, like, to_pillow
    from restore.images.effort import seconds_to_write
    from restore.images.finding import find
    from restore.images.formats import SUFFIXES
    from restore.images.masks import mask_from_alpha, read_mask
    from restore.images.metadata import Metadata
    from restore.images.picture import Picture, replace
    from restore.images.reading import LARGEST, read, read_record
    from restore.images.writing import check_target, write

_HOMES = {
    "LARGEST": "restore.images.reading",
    "Metadata": "restore.images.metadata",
    "Picture": "restore.images.picture",
    "SUFFIXES": "restore.images.formats",
    "as_picture": "restore.images.convert",
    "check_target": "restore.images.writing",
    "find": "restore.images.finding",
    "like": "restore.images.convert",
    "mask_from_alpha": "restore.images.masks",
    "read": "restore.images.reading",
    "read_mask": "restore.images.masks",
    "read_record": "restore.images.reading",
    "replace": "restore.images.picture",
    "seconds_to_write": "restore.images.effort",
    "to_pillow": "restore.images.convert",
    "write": "restore.images.writing",
}
__all__ = [
    "LARGEST",
    "SUFFIXES",
    "Metadata",
    "Picture",
    "as_picture",
    "check_target",
    "find",
    "like",
    "mask_from_alpha",
    "read",
    "read_mask",
    "read_record",
    "replace",
    "seconds_to_write",
    "to_pillow",
    "write",
]

__getattr__ = lazily(__name__, _HOMES)
