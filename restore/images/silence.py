"""Pillow and OpenCV without messages on stderr and without their size limits."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
from PIL import Image

SILENT = 0  # OpenCV's LOG_LEVEL_SILENT.
_lock = threading.RLock()


@contextmanager
def silent_libraries() -> Iterator[None]:
    """Inside: no warnings, no log of OpenCV, no size limit of Pillow (`read` has its own).

    These settings are global to the process, so one thread at a time is inside.
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        log: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 has a module for it, OpenCV 4 has not.
        level = log.setLogLevel(SILENT)
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
            log.setLogLevel(level)


@contextmanager
def bounded_frames(pixels: int) -> Iterator[None]:
    """Inside `silent_libraries`: Pillow raises DecompressionBombError for a frame of more pixels.

    A frame of an animation may be larger than the header says, and Pillow fills it on the way to the next.
    """
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, max(1, (pixels + 1) // 2)  # It raises above twice its limit.
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def stderr_to(target: int) -> Iterator[None]:
    """Inside: file descriptor 2 goes to the descriptor `target`.

    libjpeg, libpng and libtiff write to it directly, whatever the settings.
    """
    try:
        saved = os.dup(2)
    except OSError:  # The process has no stderr.
        yield
        return
    try:
        os.dup2(target, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Inside: file descriptor 2 goes to the null device."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        with stderr_to(null):
            yield
    finally:
        os.close(null)
