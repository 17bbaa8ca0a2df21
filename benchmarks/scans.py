"""Parts of pictures before and after, at the place that changed most, for the pictures that changed most there.

restore auto FOLDER -o OUT/
python -m benchmarks scans FOLDER OUT docs/reports/scans.jpg [--number 8]
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from benchmarks.harness import arguments
from benchmarks.pictures import Array, read

SIDE, COLUMNS = 200, 4


def main() -> None:
    parser = arguments(__doc__, number=8)
    for name in ("before", "after", "picture"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    found = []
    for path in sorted(given.after.iterdir()):
        if path.suffix.lower() not in (".jpg", ".png", ".tif"):
            continue
        before, after = read(given.before / path.name), read(path)
        if before.shape == after.shape and min(before.shape[:2]) > SIDE:
            found.append((*_part(before, after), path.stem))
    found.sort(key=lambda one: -one[0])
    tiles = [np.vstack([before, after]) for _, before, after, _ in found[: given.number]]
    rows = [np.hstack(tiles[first : first + COLUMNS]) for first in range(0, len(tiles), COLUMNS)]
    cv2.imwrite(str(given.picture), np.vstack(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    print("\n".join(f"{name}: {change:.1f} grey levels" for change, _, _, name in found[: given.number]))


def _part(before: Array, after: Array) -> tuple[float, Array, Array]:
    """The root mean square of the change in the part that changed most, and that part before and after."""
    change = ((after.astype(np.float32) - before) ** 2).mean(axis=2)
    mean = cv2.blur(change, (SIDE, SIDE))[SIDE // 2 : -SIDE // 2, SIDE // 2 : -SIDE // 2]
    top, left = np.unravel_index(int(mean.argmax()), mean.shape)
    part = np.s_[top : top + SIDE, left : left + SIDE]
    return float(mean.max()) ** 0.5, before[part], after[part]
