"""Puts pictures side by side, on white."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2

from benchmarks.harness import arguments
from restore.results.figures import strip


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("pictures", type=Path, nargs="+")
    given = parser.parse_args()
    pictures = [cv2.imread(str(path)) for path in given.pictures]
    missing = [str(path) for path, picture in zip(given.pictures, pictures, strict=True) if picture is None]
    if missing:
        sys.exit(f"not a picture: {', '.join(missing)}")
    cv2.imwrite(str(given.out), strip(*pictures))
    print(given.out)
