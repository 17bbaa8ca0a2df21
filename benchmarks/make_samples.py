"""Makes samples/ from the public-domain photographs that scikit-image carries: photographs, masks and degraded copies.

python -m benchmarks make-samples samples
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import skimage.data

from benchmarks.harness import arguments
from benchmarks.pictures import Array, reduced, rounded, write

# Strokes a person might paint over the astronaut: from, to.
STROKES = (
    ((60, 300), (260, 420)), ((100, 420), (200, 480)), ((200, 140), (240, 150)), ((180, 60), (270, 60)),
    ((330, 60), (370, 120)), ((20, 20), (40, 60)), ((10, 150), (60, 200)), ((10, 260), (20, 480)),
    ((300, 420), (420, 440)), ((150, 200), (280, 260)), ((420, 30), (410, 150)), ((460, 300), (500, 320)),
    ((300, 290), (340, 330)),
)  # fmt: skip
LINES = ("a picture is worth", "restoring as well", "as one would keep it")


def damage(height: int, width: int, seed: int) -> Array:
    """Scratches and lettering, white on black, some 5 % of the pixels."""
    mask = np.zeros((height, width), np.uint8)
    rng = np.random.default_rng(seed)
    for row in range(3):
        baseline = int(height * (0.2 + 0.28 * row))
        size = width / 560
        cv2.putText(
            mask, LINES[row], (int(0.06 * width), baseline), cv2.FONT_HERSHEY_DUPLEX, size, 255, max(2, int(2.4 * size))
        )
    while (mask > 0).mean() < 0.05:
        points = np.cumsum(rng.normal(0, 14, (24, 2)) + rng.normal(0, 12, 2), axis=0) + rng.uniform(0, 1, 2) * (width, height)
        cv2.polylines(mask, [points.astype(np.int32)], False, 255, int(rng.integers(1, 4)))
    return np.where(mask > 127, 255, 0).astype(np.uint8)


def main() -> None:
    folder = arguments(__doc__, folder=Path).parse_args().folder
    for part in ("photos", "masks", "degraded", "hints"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(("astronaut", "chelsea", "coffee")):
        picture = getattr(skimage.data, name)()
        height, width = (side - side % 4 for side in picture.shape[:2])
        picture = np.ascontiguousarray(picture[:height, :width])
        mask = damage(height, width, seed)
        noise = np.random.default_rng(seed).normal(0, 25, picture.shape)
        degraded = {"scratched": np.where(mask[..., None] > 0, 255, picture), "noisy25": rounded(picture + noise)}
        degraded |= {f"x{scale}": reduced(picture, scale) for scale in (2, 4)}
        degraded["gray"] = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        write(folder / "photos" / f"{name}.png", picture)
        write(folder / "masks" / f"{name}.png", mask)
        for kind, made in degraded.items():
            write(folder / "degraded" / f"{name}-{kind}.png", made.astype(np.uint8))
    astronaut = skimage.data.astronaut()
    painted = np.zeros(astronaut.shape[:2], np.uint8)
    for start, end in STROKES:
        cv2.line(painted, start, end, 255, 5)
    colours = cv2.GaussianBlur(astronaut, (0, 0), 3)[..., ::-1]
    strokes = np.dstack([np.where(painted[..., None] > 0, colours, 0), painted]).astype(np.uint8)
    cv2.imwrite(str(folder / "hints" / "astronaut.png"), strokes)
