"""Text drawn with soft edges on the sample photographs, filled by masks as people make them, beside OpenCV given the same.

    python -m benchmarks masks samples [--out FOLDER]

"soft" is the mask that the text was drawn with, "hard" that mask where it is 128 or more, "JPEG" it saved with quality 75, and
"blurred" text is softer than its hard mask by a Gaussian of 1 pixel. PSNR is over all pixels that the text touched.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from benchmarks.harness import arguments, markdown
from benchmarks.metrics import psnr
from benchmarks.pictures import Array, read, rounded, write
from restore import Restorer
from restore.images import read_mask

NAMES = ("astronaut", "chelsea", "coffee")
LINE = "The quick brown fox jumps over 12 lazy dogs"
COLOURS = {"white": (255, 255, 255), "red": (200, 40, 40)}
MASKS = (("soft", "white"), ("hard", "white"), ("hard", "red"), ("JPEG", "white"), ("blurred", "white"))
HEADS = ("picture", "colour", "mask", "restore", "`--mask-grow 0`", "Telea", "NS")


def text(height: int, width: int) -> Array:
    """Lines of text, drawn with soft edges: (height, width), 255 inside."""
    page = Image.new("L", (width, height))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(22)
    for row in range(5):
        draw.text((10, int(height * (0.05 + 0.19 * row))), LINE[3 * row :], fill=255, font=font)
    return np.asarray(page)


def masks(drawn: Array) -> dict[str, tuple[Array, Array]]:
    """What a person may have: how much of each pixel the text covers, and a mask of it."""
    hard = np.where(drawn >= 128, 255, 0).astype(np.uint8)
    ringing = cv2.imdecode(cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, 75])[1], cv2.IMREAD_GRAYSCALE)
    assert ringing is not None
    blurred = rounded(cv2.GaussianBlur(drawn.astype(np.float32), (0, 0), 1))
    return {"soft": (drawn, drawn), "hard": (drawn, hard), "JPEG": (drawn, np.asarray(ringing)), "blurred": (blurred, hard)}


def main() -> None:
    parser = arguments(__doc__, "out", "only")
    parser.add_argument("samples", type=Path)
    given = parser.parse_args()
    restorer, rows = Restorer.from_pretrained("photo"), []
    for name, (label, colour) in product(NAMES, MASKS):
        if given.only not in f"{name} {label}":
            continue
        truth = read(given.samples / "photos" / f"{name}.png")
        cover, mask = masks(text(*truth.shape[:2]))[label]
        share = cover[..., None] / 255
        damaged = rounded(truth * (1 - share) + share * np.array(COLOURS[colour]))
        auto = restorer("inpaint", damaged, mask=mask)
        same = torch.equal(auto.mask, read_mask(mask, mask.shape))
        exact = auto if same else restorer("inpaint", damaged, mask=mask, mask_grow=0)
        others = [cv2.inpaint(damaged, mask, 3, how) for how in (cv2.INPAINT_TELEA, cv2.INPAINT_NS)]
        answers = [auto.image, exact.image, *others]
        rows.append((name, colour, label, *(f"{psnr(answer, truth, cover > 0):.2f}" for answer in answers)))
        print(*rows[-1], flush=True)
        if given.out is not None:
            given.out.mkdir(parents=True, exist_ok=True)
            write(given.out / f"{name}-{label}-{colour}.png", np.hstack([damaged, *answers[:3]]))
    print(markdown(HEADS, rows))
