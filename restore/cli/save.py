"""Writes results to files, and reads their records."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from restore.errors import PictureError
from restore.files import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

    from restore.results.result import Result


def save(
    path: Path, result: Result, record: dict[str, Any] | None, *, metadata: Literal["keep", "strip"], overwrite: bool
) -> None:
    """Write the picture of a result, with its record in the text of a PNG or in a JSON file beside another format.

    Raises: PictureError if it cannot be written.
    """
    from restore import images

    text = None if record is None else json.dumps(record)
    inside = path.suffix.lower() == ".png"
    assert result.picture is not None
    images.write(path, result.picture, metadata=metadata, record=text if inside else None, overwrite=overwrite)
    if text is not None and not inside:
        put(sidecar(path), (json.dumps(record, indent=2) + "\n").encode())


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
    """Write a PNG. Raises PictureError if it cannot be written."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(canvas).save(file, "PNG")
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
        text = sidecar(path).read_text()
    if text is None:
        raise PictureError(f"{path}: no record in it or in {sidecar(path).name}; records are kept with --record")
    try:
        record = json.loads(text)
    except json.JSONDecodeError:
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
