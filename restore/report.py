"""Pictures about results: uncertainty maps, strips of before and after."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Canvas = NDArray[np.uint8]


def heat_map(std: Tensor) -> Canvas:
    """The spread of samples as colours, with a bar that says what they mean.

    Args:
        std: (1, C, H, W), standard deviation in [-1, 1] units.

    Returns: (H + bar, W, 3) uint8 RGB; the bar is labelled in grey levels (0-255).
    """
    levels = std[0].square().mean(dim=0).sqrt().numpy() * 127.5
    top = max(float(np.ceil(levels.max())), 1.0)
    colours = cv2.applyColorMap((levels / top * 255).round().astype(np.uint8), cv2.COLORMAP_INFERNO)
    width = colours.shape[1]
    height = max(14, width // 32)
    ramp = np.broadcast_to(np.linspace(0, 255, width).astype(np.uint8), (height, width))
    labels = np.zeros((height + 6, width, 3), np.uint8)
    scale = height / 34
    for share in (0.0, 0.5, 1.0):
        text = f"{share * top:.3g}"
        length = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0]
        left = int(np.clip(share * width - length / 2, 2, max(2, width - length - 2)))
        cv2.putText(labels, text, (left, height), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
    stacked = np.vstack([colours, cv2.applyColorMap(np.ascontiguousarray(ramp), cv2.COLORMAP_INFERNO), labels])
    return np.ascontiguousarray(stacked[..., ::-1])


def strip(*pictures: Canvas, gap: int = 8) -> Canvas:
    """Pictures (H, W, 3) uint8 side by side on white; smaller ones are enlarged to the tallest without smoothing."""
    height = max(picture.shape[0] for picture in pictures)
    columns: list[NDArray[Any]] = []
    for picture in pictures:
        width = round(picture.shape[1] * height / picture.shape[0])
        columns += [
            cv2.resize(picture, (width, height), interpolation=cv2.INTER_NEAREST),
            np.full((height, gap, 3), 255, np.uint8),
        ]
    return np.hstack(columns[:-1]).astype(np.uint8)
