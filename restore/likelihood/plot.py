"""A plot of the variational bound by step."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from restore.likelihood.bound import Bound

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 760, 420, 84, 56, 44, 24
BLACK, GRAY, BLUE, RED = (0, 0, 0), (225, 225, 225), (31, 90, 200), (200, 50, 30)


def bound_picture(bound: Bound) -> NDArray[np.uint8]:
    """Bits per dimension of each step against its number, on a logarithmic scale; the decoder's as a dot at step 0.

    Returns: (420, 760, 3) uint8 RGB.
    """
    canvas = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    decoder = float(bound.decoder.mean())
    points = [(0, decoder), *((term.step, term.bits) for term in reversed(bound.terms))]
    # The divergence of an exact step is 0, and the decoder's term may be: they are drawn on the lower edge.
    positive = [bits for _, bits in points if bits > 0] or [1e-6]
    low, high = math.floor(math.log10(max(min(positive), max(positive) * 1e-6))), math.ceil(math.log10(max(positive)))
    high = max(high, low + 1)
    last = max(step for step, _ in points)

    def at(step: float, bits: float) -> tuple[int, int]:
        height = (math.log10(max(bits, 10.0**low)) - low) / (high - low)
        return (
            round(LEFT + step / last * (WIDTH - LEFT - RIGHT)),
            round(HEIGHT - BOTTOM - height * (HEIGHT - BOTTOM - TOP)),
        )

    for power in range(low, high + 1):
        _, row = at(0, 10.0**power)
        cv2.line(canvas, (LEFT, row), (WIDTH - RIGHT, row), GRAY, 1)
        _write(canvas, f"{10.0**power:g}", (8, row + 4))
    for share in (0, 0.25, 0.5, 0.75, 1):
        column, row = at(share * last, 10.0**low)
        cv2.line(canvas, (column, TOP), (column, row), GRAY, 1)
        _write(canvas, f"{share * last:.0f}", (column - 12, row + 20))
    curve = np.array([at(step, bits) for step, bits in points[1:]], np.int32)
    cv2.polylines(canvas, [curve[:, None]], False, BLUE, 2, cv2.LINE_AA)
    cv2.circle(canvas, at(0, decoder), 5, RED, -1, cv2.LINE_AA)
    cv2.rectangle(canvas, at(0, 10.0**high), at(last, 10.0**low), BLACK, 1)
    _write(canvas, "step, from little noise to much", (WIDTH // 2 - 80, HEIGHT - 12))
    said = f"{float(bound.total.mean()):.3f} bits/dim = decoder {decoder:.3f} (dot)"
    _write(canvas, f"{said} + steps {float(bound.steps.mean()):.3f} + prior {float(bound.prior.mean()):.4f}", (LEFT, 26))
    return canvas


def _write(canvas: NDArray[np.uint8], text: str, place: tuple[int, int]) -> None:
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, BLACK, 1, cv2.LINE_AA)
