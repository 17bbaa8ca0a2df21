"""The graphics libraries, kept silent and without their own limits while they work."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
from PIL import Image

_one_at_a_time = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings on stderr, and no size limit but ours; one thread at a time, since these settings belong to the process."""
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
            cv2.utils.logging.setLogLevel(level)


@contextmanager
def no_stderr() -> Iterator[None]:
    """Descriptor 2 leads nowhere: libpng and libtiff write there directly, past every setting."""
    try:
        kept = os.dup(2)
    except OSError:  # a process without stderr has nothing to keep clean
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
