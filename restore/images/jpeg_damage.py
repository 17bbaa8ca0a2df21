"""Whether the data of a JPEG are damaged, as far as libjpeg notices; the format has no checksums."""

from __future__ import annotations

import os
import tempfile

import cv2
import numpy as np

from restore.images.silence import stderr_to


def damage_of_jpeg(data: bytes) -> str | None:
    """What libjpeg warns of, one line; None for data that decode without a warning.

    Pillow ignores these warnings, such as of data that end too early; OpenCV prints them. Decoding at an eighth of the size
    still reads every coefficient.
    """
    with tempfile.TemporaryFile() as file:
        with stderr_to(file.fileno()):
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
        file.seek(0, os.SEEK_SET)
        lines = file.read().decode("utf-8", "replace").splitlines()
    return next((line.strip() for line in lines if line.startswith(("Corrupt JPEG", "Premature end"))), None)
