"""Pictures for training: files, folders and arrays, with their classes."""

from __future__ import annotations

import logging
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from restore.errors import PictureError
from restore.training.labels import of_array, of_folder
from restore.wording import called

logger = logging.getLogger("restore")
Picture = NDArray[np.uint8]
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


def read(
    source: Path, channels: int, scales: tuple[float, ...], *, labelled: bool
) -> tuple[list[Picture], tuple[list[str], list[str]]]:
    """Pictures of a file, a folder or an array; `load_crops` explains the arguments.

    Returns: (H, W, C) uint8 each, and with labels the class of each and the names of all classes in order.

    Raises: PictureError for what holds no pictures; UsageError for labels that are missing or do not fit.
    """
    if source.suffix in {".npz", ".npy"}:
        array = list(_read_array(source, channels))
        return array, of_array(source, len(array)) if labelled else ([], [])
    if source.is_file() and source.suffix.lower() in SUFFIXES:
        paths = [source]
    elif source.is_dir():
        paths = sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES)
    else:
        raise PictureError(f"{source}: give a picture, a folder of pictures or an .npz/.npy array")
    pictures, classes = [], []
    for path in paths:
        loaded = cv2.imread(str(path), cv2.IMREAD_COLOR if channels == 3 else cv2.IMREAD_GRAYSCALE)
        if loaded is None:
            logger.warning("%s: OpenCV cannot read this picture; it is left out", path)
            continue
        picture = np.asarray(loaded[..., ::-1] if channels == 3 else loaded[..., None], np.uint8)
        pictures += [_scaled(picture, scale) for scale in scales]
        classes += [of_folder(path, source)] * len(scales) if labelled else []
    return pictures, (classes, sorted(set(classes)))


def _read_array(source: Path, channels: int) -> Picture:
    try:
        loaded = np.load(source, allow_pickle=False)
        array = loaded["images"] if source.suffix == ".npz" else loaded
    except (OSError, EOFError, ValueError, KeyError, IndexError, BadZipFile) as error:
        raise PictureError(f"{source}: not an array of pictures ({error})") from None
    array = array[..., None] if array.ndim == 3 else array
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != channels:
        hint = f"; give {called('channels', array.shape[3])}" if array.ndim == 4 and array.shape[3] in (1, 3) else ""
        raise PictureError(f"{source}: expected (N, H, W, {channels}) uint8, found {array.shape} {array.dtype}{hint}")
    return array


def _scaled(picture: Picture, scale: float) -> Picture:
    if scale == 1:
        return picture
    resized = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    return resized if resized.ndim == 3 else resized[..., None]
