"""The figures of README.md: digits of one class against the rest, and defects planted in textures.

    python evaluate.py split DIGITS.npz FOLDER              # what the priors are trained on
    python evaluate.py digits DIGITS.npz --normal 3 --prior PRIOR
    python evaluate.py textures --prior PRIOR               # of scikit-image: brick, grass, gravel

DIGITS.npz has `images` (N, 28, 28) uint8 and `labels`; the first 8000 train and the others test. Of textures the left half
trains and the right half tests.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from restore_anomaly import Anomaly

from restore import Restorer

TRAINED = 8000
LEVELS = {"digits": (64.0, 128.0, 255.0, 382.0), "textures": (32.0, 64.0, 128.0)}
TEXTURES = ("brick", "grass", "gravel")
SIDE = 64  # Of the windows of textures.


def auroc(normal: np.ndarray, anomalous: np.ndarray) -> float:
    """The probability that an anomalous score exceeds a normal one; ties count half (Mann and Whitney 1947)."""
    ordered = np.sort(normal)
    below = ordered.searchsorted(anomalous, "left") + ordered.searchsorted(anomalous, "right")
    return float(below.mean() / 2 / len(normal))


def maps(restorer: Restorer, pictures: np.ndarray, level: float, samples: int, steps: int, smooth: int) -> np.ndarray:
    """The task's maps (N, H, W) in grey levels."""
    options = {"level": level, "smooth": smooth, "white": 255.0, "samples": samples, "steps": steps}
    found = [result.picture for result in restorer.map(Anomaly(), pictures, **options)]
    return np.stack([127.5 * (picture.pixels[0, 0].numpy() + 1) for picture in found])


def explained(trained: np.ndarray, pictures: np.ndarray, components: int = 32) -> np.ndarray:
    """For comparison: the distance (N,) to the plane of the normal pictures' principal components."""
    flat, mean = trained.reshape(len(trained), -1) / 255.0, trained.mean(axis=0).reshape(-1) / 255.0
    plane = np.linalg.svd(flat - mean, full_matrices=False)[2][:components]
    off = pictures.reshape(len(pictures), -1) / 255.0 - mean
    return np.square(off - off @ plane.T @ plane).mean(axis=1)


def digits(data: Path, normal: int, restorer: Restorer, count: int, samples: int, steps: int) -> None:
    with np.load(data) as archive:
        images, labels = archive["images"], archive["labels"]
    trained = images[:TRAINED][labels[:TRAINED] == normal]
    images, labels = images[TRAINED:], labels[TRAINED:]
    same, other = images[labels == normal][:count], images[labels != normal][: 2 * count]
    print(f"digit {normal}: {len(same)} against {len(other)} of other digits, {samples} samples, {steps} steps")
    print(f"  principal components  {auroc(explained(trained, same), explained(trained, other)):.3f}")
    for level in LEVELS["digits"]:
        scores = [np.square(maps(restorer, part, level, samples, steps, 0)).mean(axis=(1, 2)) for part in (same, other)]
        print(f"  level {level:3.0f}             {auroc(*scores):.3f}")


def textures(restorer: Restorer, count: int, samples: int, steps: int, show: str) -> None:
    import skimage.data

    print(f"{count} windows of {SIDE}x{SIDE} pixels with a defect and as many without, {samples} samples, {steps} steps")
    rows: list[np.ndarray] = []
    for name in TEXTURES:
        rng = np.random.default_rng(0)
        half = getattr(skimage.data, name)()[:, 256:]
        windows = np.stack([_window(half, rng) for _ in range(2 * count)])
        planted, masks = zip(*(_plant(window, index, rng) for index, window in enumerate(windows[count:])), strict=True)
        clean, damaged, where = windows[:count], np.stack(planted), np.stack(masks)
        _print(name, "high pass", [np.abs(part - _blurred(part)) for part in (clean * 1.0, damaged * 1.0)], where)
        for level in LEVELS["textures"]:
            found = [maps(restorer, part, level, samples, steps, 2) for part in (clean, damaged)]
            _print(name, f"level {level:3.0f}", found, where)
            shown = (damaged, (4 * found[1]).clip(0, 255), 255 * where)
            rows.append(np.vstack([np.hstack(list(pictures[:6])) for pictures in shown]).astype(np.uint8))
    if show:
        cv2.imwrite(show, np.vstack(rows[1::3]))


def _print(name: str, method: str, found: list[np.ndarray], where: np.ndarray) -> None:
    pixels = auroc(found[1][~where], found[1][where])
    # Of a picture: the highest value of the map, smoothed over 5 pixels a side more.
    windows = auroc(*(_blurred(part).max(axis=(1, 2)) for part in found))
    print(f"  {name:6} {method:10} pixels {pixels:.3f}  windows {windows:.3f}")


def _window(half: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    top, left = rng.integers(half.shape[0] - SIDE), rng.integers(half.shape[1] - SIDE)
    return half[top : top + SIDE, left : left + SIDE]


def _plant(window: np.ndarray, index: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The window with a defect, and where (bool): in turn a scratch, a smooth blot, and a turned patch of the window."""
    mask = np.zeros_like(window)
    a, b = rng.integers(12, SIDE - 12, (2, 2))
    if index % 3 == 0:
        cv2.line(mask, a.tolist(), (a + rng.integers(-24, 25, 2)).tolist(), 1, 2)
        other = np.full_like(window, int(np.clip(window.mean() + rng.choice([-60, 60]), 0, 255)))
    else:
        cv2.ellipse(mask, a.tolist(), rng.integers(4, 9, 2).tolist(), int(rng.integers(180)), 0, 360, 1, -1)
        blot = np.full_like(window, int(window[b[0], b[1]]))
        other = blot if index % 3 == 1 else np.rot90(window).copy()
    return np.where(mask > 0, other, window), mask > 0


def _blurred(pictures: np.ndarray) -> np.ndarray:
    return np.stack([cv2.blur(picture, (5, 5)) for picture in pictures])


def split(data: Path, folder: Path) -> None:
    import skimage.data

    folder.mkdir(parents=True, exist_ok=True)
    with np.load(data) as archive:
        images, labels = archive["images"][:TRAINED], archive["labels"][:TRAINED]
    for digit in range(10):
        np.save(folder / f"digit-{digit}.npy", images[labels == digit])
    np.save(folder / "textures.npy", np.stack([getattr(skimage.data, name)()[:, :256] for name in TEXTURES]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["split", "digits", "textures"])
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--prior", default="photo")
    parser.add_argument("--normal", type=int, default=3)
    parser.add_argument("--count", type=int, default=200, help="normal pictures, or windows")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--show", default="", help="textures: a picture to write, of six windows, their maps and the truth")
    given = parser.parse_args()
    if given.what == "split":
        split(*given.paths)
        return
    restorer = Restorer.from_pretrained(given.prior)
    if given.what == "digits":
        digits(given.paths[0], given.normal, restorer, given.count, given.samples, given.steps)
    else:
        textures(restorer, given.count, given.samples, given.steps, given.show)


if __name__ == "__main__":
    main()
