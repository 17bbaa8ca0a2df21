"""What fills holes: the toolkit, OpenCV, scikit-image, and OpenCV's contributed methods, where an interpreter has them."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks.pictures import Array, rounded
from restore import Restorer

Method = Callable[[Array, Array], Array]  # Of a picture (H, W, 3) that is 0 in its hole, and a mask (H, W) of 0 and 255.

# Run by another interpreter: `opencv-contrib-python-headless` cannot be installed beside `opencv-python`.
CHILD = """
import sys, cv2, numpy as np
picture, mask, how = np.load(sys.argv[1])["picture"], np.load(sys.argv[1])["mask"], sys.argv[3]
keep, found = 255 - mask, np.zeros_like(picture)
if how == "shift map":
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2Lab)
    cv2.xphoto.inpaint(lab, keep, found, cv2.xphoto.INPAINT_SHIFTMAP)
    found = cv2.cvtColor(found, cv2.COLOR_Lab2RGB)
else:
    cv2.xphoto.inpaint(picture, keep, found, cv2.xphoto.INPAINT_FSR_BEST)
np.save(sys.argv[2], found)
"""


def methods(restorer: Restorer, xphoto: str) -> dict[str, Method]:
    """By name. Args: xphoto: an interpreter whose OpenCV has `xphoto`; those methods are left out if it is empty."""
    found: dict[str, Method] = {
        "Telea": lambda picture, mask: np.asarray(cv2.inpaint(picture, mask, 3, cv2.INPAINT_TELEA), np.uint8),
        "restore": lambda picture, mask: _restored(restorer, picture, mask),
        "smooth": lambda picture, mask: _restored(restorer, picture, mask, fill="smooth"),
        "best": lambda picture, mask: _restored(restorer, picture, mask, quality="best"),
        "NS": lambda picture, mask: np.asarray(cv2.inpaint(picture, mask, 3, cv2.INPAINT_NS), np.uint8),
        "biharmonic": biharmonic,
    }
    if xphoto:
        for how in ("shift map", "FSR"):
            found[how] = lambda picture, mask, how=how: contributed(xphoto, picture, mask, how)  # type: ignore[misc]
    return found


def _restored(restorer: Restorer, picture: Array, mask: Array, **words: object) -> Array:
    return np.asarray(restorer("inpaint", picture, mask=mask, mask_grow=0, name="0", **words).image)


def biharmonic(picture: Array, mask: Array) -> Array:
    from skimage.restoration import inpaint_biharmonic

    return rounded(255 * inpaint_biharmonic(picture / 255, mask > 0, channel_axis=2))


def contributed(python: str, picture: Array, mask: Array, how: str) -> Array:
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "given.npz", Path(folder) / "made.npy"
        np.savez(given, picture=picture, mask=mask)
        subprocess.run([python, "-c", CHILD, given, made, how], check=True)
        found: Array = np.load(made)
    return np.where(mask[..., None] > 0, found, picture)
