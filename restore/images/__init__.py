"""Picture files in and out: what the core restores, apart from what must be put back.

`read` takes a file apart into a `Picture`: pixels for the core, and beside them alpha, depth, kind, metadata and the file's own
samples. The core works on `picture.pixels`; `replace` puts its result in, `write` makes a file of the same kind. What was not
changed comes out as it went in, sample for sample, in every lossless format.

OpenCV reads and writes 16-bit samples, Pillow everything else.
"""

from restore.images.convert import as_picture, like, to_pillow
from restore.images.find import find
from restore.images.formats import SUFFIXES
from restore.images.masks import mask_from_alpha, read_mask
from restore.images.metadata import Metadata
from restore.images.picture import Picture, replace
from restore.images.read import LARGEST, read, read_record
from restore.images.write import check_target, write

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
    "to_pillow",
    "write",
]
