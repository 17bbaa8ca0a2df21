"""What an early exit saves and costs: scratches filled on the sample photographs, by tolerance.

    python benchmarks/early_exit.py samples

PSNR in dB of the filled pixels against the photograph; transitions taken of the 24 of `pnp`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from main_job import NAMES, psnr, read

from restore import Restorer

TOLERANCES = (None, 1.0, 2.0, 4.0, 8.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path)
    samples = parser.parse_args().samples
    restorer = Restorer.from_pretrained("photo", device="cpu")
    print("| picture | " + " | ".join("whole path" if one is None else f"{one:g}" for one in TOLERANCES) + " |")
    print("|---" * (len(TOLERANCES) + 1) + "|")
    for name in NAMES:
        damaged, truth = (read(samples / part) for part in (f"degraded/{name}-scratched.png", f"photos/{name}.png"))
        mask = cv2.imread(str(samples / "masks" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
        cells = []
        for tolerance in TOLERANCES:
            result = restorer("inpaint", np.ascontiguousarray(damaged[..., ::-1]), mask=mask, early_exit=tolerance)
            filled = psnr(np.asarray(result.image)[..., ::-1], truth, mask)
            cells.append(f"{filled:.2f} in {result.record['transitions']}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
