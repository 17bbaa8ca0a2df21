"""Makes the pictures of README.md and docs/ from samples/ with the bundled prior.

python benchmarks/readme_pictures.py samples docs/pictures
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2

from restore import Restorer, images
from restore.results.figures import strip


def main(samples: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    restorer = Restorer.from_pretrained("photo")
    degraded = samples / "degraded"
    jobs = {
        "inpaint": (degraded / "astronaut-scratched.png", {"mask": samples / "masks" / "astronaut.png"}),
        "super-resolution": (degraded / "coffee-x4.png", {"scale": 4}),
        "denoise": (degraded / "coffee-noisy25.png", {}),
        "colorize": (degraded / "astronaut-gray.png", {"hints": samples / "hints" / "astronaut.png"}),
    }
    for task, (path, options) in jobs.items():
        result = restorer(task, path, **options)
        before = cv2.imread(str(path))
        after = images.read(path).with_pixels(result.picture.pixels).samples()[..., ::-1]
        target = out / f"{task}.jpg"
        cv2.imwrite(str(target), strip(before, after), [cv2.IMWRITE_JPEG_QUALITY, 90])
        print(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
