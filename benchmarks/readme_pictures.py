"""Makes the pictures of README.md and docs/ from samples/ with the bundled prior.

python -m benchmarks readme-pictures samples docs/pictures
"""

from __future__ import annotations

from pathlib import Path

import cv2

from benchmarks.harness import arguments
from restore import Restorer, images
from restore.results.figures import strip


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("samples", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    samples, out = given.samples, given.out
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
