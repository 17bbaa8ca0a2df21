"""Pictures whose numbers are not sRGB, restored as they are and by way of sRGB: PSNR of what either looks like.

    python -m benchmarks colour samples [--into docs/reports/colour.md]

The middle 128 x 128 pixels of the sample photographs, as 16-bit numbers of each space: with a fifth of the pixels left, the
others filled by `inpaint` and compared, and with white noise of 12 grey levels of sRGB, which `denoise` measures.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.harness import arguments, markdown, publish
from benchmarks.pictures import read
from restore import Restorer
from restore.images.colour import FOREIGN, ColourSpace

NAMES, SIDE, KEPT, NOISE = ("astronaut", "chelsea", "coffee"), 128, 0.2, 12
# Primaries in linear sRGB, adapted to its white: of Display P3, Adobe RGB (1998) and ROMM RGB.
P3 = [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]]
ADOBE = [[1.3984, -0.3984, 0.0], [0.0, 1.0, 0.0], [0.0, -0.0429, 1.0429]]
ROMM = [[2.0342, -0.7274, -0.3067], [-0.2288, 1.2317, -0.0029], [-0.0086, -0.1533, 1.1619]]
LIGHT = np.linspace(0, 1, 4097)
SRGB = np.where(LIGHT <= 0.04045, LIGHT / 12.92, ((LIGHT + 0.055) / 1.055) ** 2.4)
SPACES = {
    "Display P3": ColourSpace(np.stack([SRGB] * 3), np.array(P3)),
    "Adobe RGB": ColourSpace(np.stack([LIGHT**2.2] * 3), np.array(ADOBE)),
    "ROMM RGB": ColourSpace(np.stack([LIGHT**1.8] * 3), np.array(ROMM)),
    "linear": ColourSpace(np.stack([LIGHT] * 3), np.eye(3)),
}
HEADS = ("space", "converted", "fill, as numbers", "fill, in sRGB", "noise, as numbers", "noise, in sRGB")


def main() -> None:
    parser = arguments(__doc__, "into")
    parser.add_argument("samples", type=Path)
    given = parser.parse_args()
    restorer, rng, rows = Restorer.from_pretrained("photo"), np.random.default_rng(0), []
    for space, found in SPACES.items():
        figures, moved = [], []
        for name in NAMES:
            truth = _pixels(read(given.samples / "photos" / f"{name}.png"))
            hidden = torch.from_numpy(rng.random((SIDE, SIDE)) >= KEPT)
            noisy = (truth + torch.from_numpy(rng.normal(0, NOISE / 127.5, truth.shape)).float()).clamp(-1, 1)
            clean, dirty = (_stored(found.from_srgb(pixels)) for pixels in (truth, noisy))
            moved.append(found.distance(clean))
            fill = {"mask": hidden.numpy(), "sigma": 0, "mask_grow": 0}
            figures.append(
                [
                    _psnr(found.to_srgb(_run(restorer, "inpaint", clean, **fill)), truth, hidden),
                    _psnr(_run(restorer, "inpaint", found.to_srgb(clean), **fill), truth, hidden),
                    _psnr(found.to_srgb(_run(restorer, "denoise", dirty)), truth),
                    _psnr(_run(restorer, "denoise", found.to_srgb(dirty)), truth),
                ]
            )
        mean = np.mean(figures, axis=0)
        converted = "yes" if np.mean(moved) >= FOREIGN else "no"
        rows.append((space, f"{converted} ({np.mean(moved):.1f})", *(f"{value:.2f}" for value in mean)))
        print(*rows[-1], flush=True)
    publish([markdown(HEADS, rows)], given.into)


def _pixels(array: np.ndarray) -> torch.Tensor:
    top, left = ((side - SIDE) // 2 for side in array.shape[:2])
    return torch.from_numpy(array[top : top + SIDE, left : left + SIDE].copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def _stored(pixels: torch.Tensor) -> torch.Tensor:
    """As a file of 16 bits holds them."""
    return ((pixels.clamp(-1, 1) + 1) * 32767.5).round() / 32767.5 - 1


def _run(restorer: Restorer, task: str, pixels: torch.Tensor, **keywords: object) -> torch.Tensor:
    return restorer(task, ((pixels + 1) / 2).clamp(0, 1), **keywords).x.cpu()


def _psnr(answer: torch.Tensor, truth: torch.Tensor, where: torch.Tensor | None = None) -> float:
    error = (answer - truth).clamp(-2, 2).square().mean(dim=1)[0]
    return 10 * float(torch.log10(4 / (error if where is None else error[where]).mean()))
