"""Figures of results: uncertainty maps, strips of pictures, contact sheets."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Canvas = NDArray[np.uint8]


def heat_map(std: Tensor) -> Canvas:
    """The standard deviation of samples as colours, with a colour bar.

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


def uncertainty(picture: Canvas, std: Tensor, *, invented: float = 12.0) -> Canvas:
    """The picture with uncertain areas outlined, beside a heat map of the standard deviation of samples.

    Args:
        picture: (H, W, 3) uint8 RGB.
        std: (1, C, H, W), standard deviation in [-1, 1] units.
        invented: standard deviation in grey levels (0-255) above which an area is outlined.

    Returns: (H + bar, 2 W + gap, 3) uint8 RGB.
    """
    levels = std[0].square().mean(dim=0).sqrt().numpy() * 127.5
    # Smoothed, so that single pixels above the threshold are not outlined.
    smooth = cv2.blur(levels, (5, 5))
    contours, _ = cv2.findContours((smooth > invented).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outlined = np.ascontiguousarray(picture).copy()
    cv2.drawContours(outlined, contours, -1, (255, 220, 0), 1)
    heat = heat_map(std)
    below = np.full((heat.shape[0] - outlined.shape[0], outlined.shape[1], 3), 255, np.uint8)
    return strip(np.vstack([outlined, below]), heat)


def contact_sheet(samples: Tensor, *, gap: int = 4, columns: int | None = None) -> Canvas:
    """All samples in a grid, row by row.

    Args:
        samples: (N, C, H, W) in [-1, 1], C = 1 or 3.
        columns: pictures per row; by default as many as make the grid about square.

    Returns: uint8 RGB.
    """
    count, _, height, width = samples.shape
    columns = columns or int(np.ceil(np.sqrt(count * height / width)))
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    tiles = ((samples.expand(-1, 3, -1, -1) + 1) * 127.5).round().clamp(0, 255).to("cpu").numpy().astype(np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = tile.transpose(1, 2, 0)
    return sheet
