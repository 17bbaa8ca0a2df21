"""What a person would use instead of this toolkit, task by task: (H, W, 3) uint8 RGB in and out, at the libraries' defaults.

Masks are (H, W) uint8, 255 = missing. Methods that want a strength are tried at several and the best by the truth is taken,
picture by picture: more than a person without the truth could get from them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from bm3d import bm3d_rgb
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, diags, eye
from scipy.sparse.linalg import splu
from skimage.restoration import inpaint_biharmonic

from benchmarks.metrics import psnr
from benchmarks.pictures import rounded

Picture = NDArray[Any]
STRENGTHS = (10, 15, 20, 25, 30, 40)


def biharmonic(damaged: Picture, mask: Picture) -> Picture:
    return rounded(inpaint_biharmonic(damaged, mask > 0, channel_axis=-1) * 255)


def fills(damaged: Picture, mask: Picture) -> dict[str, Callable[[], Picture]]:
    return {
        "Telea": lambda: cv2.inpaint(damaged, mask, 3, cv2.INPAINT_TELEA),
        "NS": lambda: cv2.inpaint(damaged, mask, 3, cv2.INPAINT_NS),
        "biharmonic": lambda: biharmonic(damaged, mask),
    }


def enlargements(small: Picture, size: tuple[int, int]) -> dict[str, Callable[[], Picture]]:
    """To (width, height), by OpenCV's kernels, which lie 0.1 to 0.2 dB above Pillow's on pictures reduced as these are."""
    return {
        "bicubic": lambda: cv2.resize(small, size, interpolation=cv2.INTER_CUBIC),
        "Lanczos": lambda: cv2.resize(small, size, interpolation=cv2.INTER_LANCZOS4),
    }


def denoisers(noisy: Picture, sigma: float, truth: Picture) -> dict[str, Callable[[], Picture]]:
    def non_local_means() -> Picture:
        swapped = np.ascontiguousarray(noisy[..., ::-1])
        tried = [cv2.fastNlMeansDenoisingColored(swapped, None, h, h, 7, 21)[..., ::-1] for h in STRENGTHS]
        return max(tried, key=lambda answer: psnr(answer, truth))

    return {"NLM": non_local_means, "BM3D": lambda: rounded(bm3d_rgb(noisy / 255, sigma / 255) * 255)}


def colourings(gray: Picture, colours: Picture, shown: Picture) -> dict[str, Callable[[], Picture]]:
    """Ways to spread the chroma of a few pixels over a gray picture.

    Args:
        gray: (H, W) uint8.
        colours: (H, W, 3) uint8, looked at where `shown`, bool (H, W), is true.
    """
    hole = np.where(shown, 0, 255).astype(np.uint8)
    given = cv2.cvtColor(np.where(shown[..., None], colours, 128).astype(np.uint8), cv2.COLOR_RGB2YCrCb)

    def joined(chroma: Picture) -> Picture:
        return cv2.cvtColor(np.dstack([gray, rounded(chroma)]), cv2.COLOR_YCrCb2RGB)

    def nearest() -> Picture:
        _, labels = cv2.distanceTransformWithLabels(hole, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
        table = np.zeros((labels.max() + 1, 2), np.uint8)
        table[labels[shown]] = given[shown][:, 1:]
        return joined(table[labels])

    def inpainted() -> Picture:
        return joined(cv2.inpaint(given, hole, 3, cv2.INPAINT_NS)[..., 1:])

    return {
        "nearest hint": nearest,
        "NS of chroma": inpainted,
        "biharmonic of chroma": lambda: joined(biharmonic(given, hole)[..., 1:]),
        "Levin 2004": lambda: joined(levin(gray, given[..., 1:], shown)),
    }


def levin(gray: Picture, chroma: Picture, shown: Picture) -> Picture:
    """Colours that neighbours of like luma share: U(r) = sum over the 8 neighbours s of w_rs U(s), U held at hints.

    w_rs is in proportion to exp(-(Y(r) - Y(s))^2 / (2 sigma_r^2)), sigma_r^2 the variance of luma in the 3 x 3 window around r
    (Levin, Lischinski & Weiss 2004, "Colorization using optimization", eqs. 1 and 2), solved exactly.
    """
    height, width = gray.shape
    luma = gray.astype(np.float64) / 255
    mean, square = (cv2.blur(value, (3, 3), borderType=cv2.BORDER_REFLECT) for value in (luma, luma**2))
    variance = np.maximum(square - mean**2, 1e-5)
    numbers = np.arange(height * width).reshape(height, width)
    here, there, weight = [], [], []
    for down, right in ((d, r) for d in (-1, 0, 1) for r in (-1, 0, 1) if (d, r) != (0, 0)):
        rows = slice(max(0, -down), height - max(0, down)), slice(max(0, -right), width - max(0, right))
        moved = slice(max(0, down), height - max(0, -down)), slice(max(0, right), width - max(0, -right))
        here.append(numbers[rows].ravel())
        there.append(numbers[moved].ravel())
        weight.append(np.exp(-((luma[rows] - luma[moved]) ** 2) / (2 * variance[rows])).ravel())
    # A pixel unlike all its neighbours still hangs on them.
    values = np.concatenate(weight) + 1e-6
    matrix = coo_matrix((values, (np.concatenate(here), np.concatenate(there))), shape=(luma.size, luma.size)).tocsr()
    free = diags((~shown).ravel().astype(np.float64))
    shares = free @ diags(1 / np.asarray(matrix.sum(axis=1)).ravel()) @ matrix
    held = np.where(shown[..., None], chroma, 0).reshape(-1, 2).astype(np.float64)
    return splu((eye(luma.size) - shares).tocsc()).solve(held).reshape(height, width, 2)
