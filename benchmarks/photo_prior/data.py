"""The pictures that a photo prior learns from, and those held out for ever: reduced, and written as PNG."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import cv2

FOLDERS = ("photos-cc0", "photos-cc0-more/colour")
SIDE = 1024  # Longest side: the photographs are JPEGs of 1280 to 1600 pixels, and their artefacts go as they are reduced.
HELD = 30
FREE = ("rocket.jpg", "brick.png", "grass.png", "gravel.png", "camera.png", "retina.jpg", "hubble_deep_field.jpg")
"""What scikit-image carries and may be trained on; not `motorcycle`, whose source states no licence."""


def held_out(names: list[str]) -> set[str]:
    """Thirty names, evenly spread over all in alphabetical order."""
    ordered = sorted(names)
    return {ordered[index * len(ordered) // HELD] for index in range(HELD)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with photos-cc0, photos-cc0-more and kodak24")
    parser.add_argument("out", type=Path, help="gets the folders photographs, plain and held")
    arguments = parser.parse_args()
    photographs = {path.name: path for folder in FOLDERS for path in sorted((arguments.data / folder).glob("*.jpg"))}
    held = held_out(list(photographs))
    for folder in ("photographs", "plain", "held"):
        (arguments.out / folder).mkdir(parents=True, exist_ok=True)
    for name, path in photographs.items():
        picture = cv2.imread(str(path))
        scale = min(1.0, SIDE / max(picture.shape[:2]))
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        folder = "held" if name in held else "photographs"
        cv2.imwrite(str((arguments.out / folder / name).with_suffix(".png")), small)
    for path in sorted((arguments.data / "kodak24").glob("*.png")):
        shutil.copyfile(path, arguments.out / "plain" / path.name)
    import skimage

    for name in FREE:
        shutil.copyfile(Path(skimage.__file__).parent / "data" / name, arguments.out / "plain" / name)
    for folder in ("photographs", "plain", "held"):
        print(f"{folder}: {len(list((arguments.out / folder).iterdir()))} pictures")


if __name__ == "__main__":
    main()
