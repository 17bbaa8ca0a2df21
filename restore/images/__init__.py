"""Read and write picture files without loss of what restoration does not change.

`read` makes a `Picture`: pixels in [-1, 1] for the prior, and with them alpha, bit depth, kind, metadata and the samples of the
file. `picture.with_pixels` puts restored pixels in, `write` makes a file of the same kind. In a lossless format, samples that
did not change are written bit for bit.

OpenCV reads and writes 16-bit samples, Pillow everything else. Modules are imported when their names are first used, so that
listing files does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.lazy import lazily

if TYPE_CHECKING:
    from restore.images.convert import as_picture, like, to_pillow
    from restore.images.finding import find
    from restore.images.formats import SUFFIXES
    from restore.images.limits import MAX_PIXELS, limited
    from restore.images.masks import grow_rim, mask_from_alpha, read_mask
    from restore.images.metadata import Metadata
    from restore.images.picture import Picture
    from restore.images.reading import decode, read, read_record
    from restore.images.timing import seconds_to_write
    from restore.images.writing import check_target, to_bytes, write

_HOMES = {
    "MAX_PIXELS": "restore.images.limits",
    "Metadata": "restore.images.metadata",
    "Picture": "restore.images.picture",
    "SUFFIXES": "restore.images.formats",
    "as_picture": "restore.images.convert",
    "check_target": "restore.images.writing",
    "decode": "restore.images.reading",
    "find": "restore.images.finding",
    "grow_rim": "restore.images.masks",
    "like": "restore.images.convert",
    "limited": "restore.images.limits",
    "mask_from_alpha": "restore.images.masks",
    "read": "restore.images.reading",
    "read_mask": "restore.images.masks",
    "read_record": "restore.images.reading",
    "seconds_to_write": "restore.images.timing",
    "to_bytes": "restore.images.writing",
    "to_pillow": "restore.images.convert",
    "write": "restore.images.writing",
}
__all__ = [
    "MAX_PIXELS",
    "SUFFIXES",
    "Metadata",
    "Picture",
    "as_picture",
    "check_target",
    "decode",
    "find",
    "grow_rim",
    "like",
    "limited",
    "mask_from_alpha",
    "read",
    "read_mask",
    "read_record",
    "seconds_to_write",
    "to_bytes",
    "to_pillow",
    "write",
]

__getattr__ = lazily(__name__, _HOMES)
