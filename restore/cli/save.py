"""Writes results to files, and reads their records."""

from __future__ import annotations

import json
import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from restore.cli.streams import results
from restore.errors import PictureError
from restore.files import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

    from restore.images.frames import Frames
    from restore.options.run_options import RunOptions
    from restore.results.result import Result

COMPANION, RECORD = "companion", "restore"  # A text of a PNG, and its key, which is that of records.


def save(path: Path, result: Result, record: dict[str, Any] | None, options: RunOptions, frames: Frames | None = None) -> None:
    """Write the picture of a result, with its record in the text of a PNG, or first in a JSON file beside another format.

    Args:
        frames: all frames of a file with several, in place of the picture.

    Raises: PictureError if it cannot be written.
    """
    from restore import images

    text = None if record is None else json.dumps(record)
    inside = path.suffix.lower() == ".png"
    assert result.picture is not None
    if text is not None and not inside:
        put(sidecar(path), (json.dumps(record, indent=2) + "\n").encode())
    if frames is not None:
        frames.write(text if inside else None, overwrite=options.overwrite)
        return
    images.write(
        path,
        result.picture,
        metadata=options.metadata,
        record=text if inside else None,
        overwrite=options.overwrite,
        quality=options.jpeg_quality,
    )


def save_to_stream(result: Result, options: RunOptions) -> None:
    """Write the picture of a result to standard output, as PNG unless another format is asked for.

    Raises: PictureError if it cannot be written.
    """
    from restore import images

    assert result.picture is not None
    name = f"-.{options.format or 'png'}"
    data = images.to_bytes(Path(name), result.picture, metadata=options.metadata, quality=options.jpeg_quality)
    try:
        with results():
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    except OSError as error:
        raise PictureError(f"standard output cannot be written ({error.strerror})") from None


def is_companion(path: Path) -> bool:
    """Whether a file is a map, sheet or mask that this command wrote."""
    from restore import images

    return path.suffix.lower() == ".png" and images.read_record(path) == COMPANION


def save_map(path: Path, result: Result) -> None:
    """Write the result with uncertain areas outlined, beside a map of the samples' standard deviation."""
    from restore.images import to_pillow
    from restore.results.figures import uncertainty

    assert result.std is not None
    assert result.picture is not None
    put_picture(path, uncertainty(np.asarray(to_pillow(result.picture).convert("RGB")), result.std))


def save_sheet(path: Path, result: Result) -> None:
    """Write all samples side by side."""
    from restore.results.figures import contact_sheet

    put_picture(path, contact_sheet(result.samples))


def save_mask(path: Path, mask: Tensor) -> None:
    """The pixels that were filled, bool (1, 1, H, W), as a gray PNG: white on black."""
    put_picture(path, mask[0, 0].cpu().numpy().astype(np.uint8) * np.uint8(255))


def put_picture(path: Path, canvas: NDArray[np.uint8]) -> None:
    """Write a PNG with a mark that tells it from a person's own file. Raises PictureError if it cannot be written."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    mark, file = PngInfo(), BytesIO()
    mark.add_text(RECORD, COMPANION)
    Image.fromarray(canvas).save(file, "PNG", pnginfo=mark)
    put(path, file.getvalue())


def sidecar(path: Path) -> Path:
    """The JSON file for the record of a picture that is not a PNG."""
    return path.with_name(f"{path.name}.json")


def load_record(path: Path) -> dict[str, Any]:
    """The record of a result.

    Raises: PictureError if there is none, or it cannot be read.
    """
    from restore import images

    text = images.read_record(path)
    if text is None and sidecar(path).is_file():
        text = sidecar(path).read_text("utf-8", "replace")
    if text is None:
        raise PictureError(f"{path}: no record in it or in {sidecar(path).name}; records are kept with --record")
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):  # Of numbers of many digits, and of many brackets.
        record = None
    if not isinstance(record, dict):
        raise PictureError(f"{path}: its record cannot be read")
    return record


def put(path: Path, data: bytes) -> None:
    """Write a file atomically. Raises PictureError if it cannot be written."""
    try:
        write_atomically(path, data)
    except OSError as error:
        raise PictureError(f"{path}: cannot be written ({error.strerror}); check space and permissions") from None
