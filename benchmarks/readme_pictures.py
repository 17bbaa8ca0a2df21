"""Makes the pictures of README.md and docs/ from samples/ with the bundled prior.

python -m benchmarks readme-pictures samples docs/pictures
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.harness import arguments
from benchmarks.pictures import read, write
from restore import Restorer, images
from restore.results.figures import strip


def main() -> None:
    given = arguments(__doc__, samples=Path, out=Path).parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    restorer = Restorer.from_pretrained("photo")
    masks, hints = given.samples / "masks" / "astronaut.png", given.samples / "hints" / "astronaut.png"
    jobs = {
        "inpaint": ("astronaut-scratched", {"mask": masks}),
        "super-resolution": ("coffee-x4", {"scale": 4}),
        "denoise": ("coffee-noisy25", {}),
        "colorize": ("astronaut-gray", {"hints": hints}),
    }
    for task, (name, options) in jobs.items():
        path = given.samples / "degraded" / f"{name}.png"
        result = restorer(task, path, **options)
        after = images.read(path).with_pixels(result.picture.pixels).samples()
        write(given.out / f"{task}.jpg", strip(read(path), after), quality=90)
        print(given.out / f"{task}.jpg")
