"""Pictures side by side: python benchmarks/strip.py OUT.png PICTURE..."""

from __future__ import annotations

import sys

import cv2

from restore.results.figures import strip

if __name__ == "__main__":
    out, *paths = sys.argv[1:]
    pictures = [cv2.imread(path) for path in paths]
    missing = [path for path, picture in zip(paths, pictures, strict=True) if picture is None]
    if missing:
        sys.exit(f"not a picture: {', '.join(missing)}")
    cv2.imwrite(out, strip(*pictures))
    print(out)
