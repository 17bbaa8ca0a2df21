"""The figures of README.md: digits of one class become digits of another, and white digits black ones.

    python evaluate.py split DIGITS.npz FOLDER              # what the priors are trained on
    python evaluate.py classes DIGITS.npz --source 3=PRIOR --target 8=PRIOR
    python evaluate.py inverted DIGITS.npz --prior PRIOR

DIGITS.npz has `images` (N, 28, 28) uint8 and `labels`; the first 8000 train the priors and the judge, the others test. The
judge is the vote of the 5 nearest of those 8000.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from restore_translate import Translate
from torch import Tensor

from restore import Prior, PriorView, Restorer

TRAINED = 8000


class Inverted(PriorView):
    """The prior of the same pictures with black and white exchanged: -D(-x)."""

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        inverted: Tensor = -self.prior(-x, sigma)
        return inverted


class Judge:
    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.known, self.labels = images.reshape(len(images), -1).astype(np.float32), labels

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Classes (N,) of digits (N, 28, 28) in grey levels."""
        flat = pictures.reshape(len(pictures), -1).astype(np.float32)
        apart = np.square(self.known).sum(axis=1) - 2 * flat @ self.known.T
        near = self.labels[np.argpartition(apart, 5, axis=1)[:, :5]]
        return np.array([np.bincount(row, minlength=10).argmax() for row in near])


def translated(target: Prior, pictures: np.ndarray, **options: object) -> np.ndarray:
    results = Restorer(target).map(Translate(), pictures, **options)
    return np.stack([127.5 * (result.picture.pixels[0, 0].clamp(-1, 1).numpy() + 1) for result in results])


def slant(pictures: np.ndarray) -> np.ndarray:
    """How far strokes lean (N,): the horizontal shift per row that the second moments of the ink tell."""
    ink = pictures / pictures.sum(axis=(1, 2), keepdims=True)
    row, column = np.mgrid[: pictures.shape[1], : pictures.shape[2]].astype(float)
    down = row - (ink * row).sum(axis=(1, 2), keepdims=True)
    right = column - (ink * column).sum(axis=(1, 2), keepdims=True)
    return (ink * down * right).sum(axis=(1, 2)) / (ink * down * down).sum(axis=(1, 2))


def classes(images: np.ndarray, judge: Judge, labels: np.ndarray, source: str, target: str, count: int, show: str) -> None:
    (first, here), (second, there) = source.split("=", 1), target.split("=", 1)
    pictures = images[TRAINED:][labels[TRAINED:] == int(first)][:count]
    to, back = (Restorer.from_pretrained(name).prior for name in (there, here))
    print(f"{len(pictures)} digits {first} to {second}; {_share(judge(pictures) == int(first))} of them are taken for {first}")
    for name, there_options, back_options in [
        ("bridge", {"source": here}, {"source": there}),
        *((f"noise {level:.0f}", {"level": level}, {"level": level}) for level in (64.0, 128.0, 255.0)),
    ]:
        found = translated(to, pictures, **there_options)
        if show and name == "bridge":
            rows = [np.hstack(list(some[:12])).round().astype(np.uint8) for some in (pictures, found)]
            cv2.imwrite(show, np.vstack(rows))
        again = translated(back, found.round().astype(np.uint8), **back_options)
        leans = np.corrcoef(slant(pictures), slant(found))[0, 1]
        ink = np.corrcoef(pictures.mean(axis=(1, 2)), found.mean(axis=(1, 2)))[0, 1]
        off = np.sqrt(np.square(again - pictures).mean())
        print(
            f"  {name:9} taken for {second}: {_share(judge(found) == int(second))}  slant {leans:5.2f}  ink {ink:5.2f}  "
            f"there and back: {off:.1f} grey levels",
            flush=True,
        )


def inverted(images: np.ndarray, judge: Judge, name: str, count: int, labels: np.ndarray) -> None:
    pictures, true = images[TRAINED:][:count], labels[TRAINED:][:count]
    target = Inverted(Restorer.from_pretrained(name).prior)
    print(f"{count} white digits to black ones; the judge is right about {_share(judge(pictures) == true)} of them")
    for method, options in [("bridge", {"source": name}), *((f"noise {x:.0f}", {"level": x}) for x in (64.0, 128.0, 255.0))]:
        found = translated(target, pictures, **options)
        light = np.median(found, axis=(1, 2)) > 127.5
        print(f"  {method:9} on white {_share(light)}  of the same class {_share(judge(255 - found) == true)}", flush=True)


def _share(which: np.ndarray) -> str:
    return f"{100 * which.mean():.0f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["split", "classes", "inverted"])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", nargs="?", type=Path)
    parser.add_argument("--source", default="3=prior-3")
    parser.add_argument("--target", default="8=prior-8")
    parser.add_argument("--prior", default="prior-digits")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--show", default="", help="classes: a picture to write, of twelve digits and what became of them")
    given = parser.parse_args()
    with np.load(given.data) as archive:
        images, labels = archive["images"], archive["labels"]
    if given.what == "split":
        given.out.mkdir(parents=True, exist_ok=True)
        np.save(given.out / "digits.npy", images[:TRAINED])
        for digit in range(10):
            np.save(given.out / f"digit-{digit}.npy", images[:TRAINED][labels[:TRAINED] == digit])
        return
    judge = Judge(images[:TRAINED], labels[:TRAINED])
    if given.what == "classes":
        classes(images, judge, labels, given.source, given.target, given.count, given.show)
    else:
        inverted(images, judge, given.prior, given.count, labels)


if __name__ == "__main__":
    main()
